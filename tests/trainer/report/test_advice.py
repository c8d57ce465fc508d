"""Each sentence comes when there is reason for it, and does not when there is none."""

from tests.trainer.report.finished_run import METRICS, at, found, write_run
from trainer.report.advice import caveats, next_steps
from trainer.report.facts import RunFacts
from trainer.report.figures import Figures

LABELS = ("cat", "dog")
RIGHT = [found(LABELS, 0, at(10)), found(LABELS, 1, at(60)), found(LABELS, 1, at(110))]
# mAP that has stopped rising.
FLAT = METRICS.replace("0.2,0.1", "0.7,0.5")


def advice(tmp_path, detections, images=40, metrics=FLAT):
    names = [str(number) for number in range(images)]
    run = write_run(tmp_path / "pets", LABELS, names, detections=[list(detections)] * images)
    run.metrics.write_text(metrics)
    facts = RunFacts.read(run)
    figures = Figures.of(facts)
    return list(next_steps(facts, figures)), list(caveats(facts, figures))


def test_a_good_model_on_enough_images_needs_no_advice(tmp_path):
    steps, reasons = advice(tmp_path, RIGHT)

    assert steps == []
    assert not any("too small" in sentence for sentence in reasons)


def test_where_the_figures_were_chosen_on_is_always_said(tmp_path):
    assert advice(tmp_path, RIGHT)[1][-1].startswith("The best weights and the thresholds were chosen on these same")


def test_a_few_images_are_too_few(tmp_path):
    assert advice(tmp_path, RIGHT, images=12)[1][0].startswith(
        "The validation set is too small for reliable figures: 12 images with 36 objects"
    )


def test_an_interval_without_width_is_no_certainty(tmp_path):
    assert any("without width (cat, dog) does not mean certainty" in s for s in advice(tmp_path, RIGHT)[1])


def test_a_mean_that_still_rose_asks_for_a_longer_training(tmp_path):
    steps, _ = advice(tmp_path, RIGHT, metrics=METRICS)

    assert steps == ["Train longer: mAP was still rising when the training ended. Raise epochs or max_minutes."]


def test_classes_that_are_taken_for_each_other_are_named(tmp_path):
    steps, _ = advice(tmp_path, [RIGHT[0], RIGHT[1], found(LABELS, 0, at(110))])

    assert steps[0].startswith("Most of the correction time goes into changing labels (160 of 160 s).")
    assert steps[1].startswith("Look at dog and cat: 40 of the first were detected as the second.")


def test_loose_boxes_ask_for_more_pixels(tmp_path):
    steps, _ = advice(tmp_path, [RIGHT[0], RIGHT[1], found(LABELS, 1, at(115))])

    assert steps[0].startswith(
        "Most of the correction time goes into adjusting loose boxes (320 of 320 s). Train longer"
    )


def test_a_weak_class_with_missed_small_objects_is_named(tmp_path):
    steps, _ = advice(tmp_path, [RIGHT[0]])

    assert "Annotate more of dog (0.00): in brackets the AP50, the weakest." in steps
    assert "Try a larger image_size: 80 of 120 small objects were missed." in steps


def test_with_masks_the_mask_map_says_whether_to_train_longer(tmp_path):
    run = write_run(tmp_path / "round", LABELS, [str(number) for number in range(12)], outlines=True)
    run.metrics.write_text(
        "epoch,step,class_loss,map50,mean_ap,seconds,mask_map50,mask_mean_ap,answer_mean_ap\n"
        "1,2,0.5,0.7,0.5,2.0,0.3,0.2,0.2\n"
        "2,4,0.4,0.7,0.5,3.0,0.6,0.4,0.4\n"
    )
    facts = RunFacts.read(run)

    assert next(next_steps(facts, Figures.of(facts))).startswith("Train longer: mask mAP was still rising")
    assert "With other images of the same kind mask mAP50 could" in next(caveats(facts, Figures.of(facts)))
