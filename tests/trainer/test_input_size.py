from trainer.input_size import between, choose

LANDSCAPE, UPRIGHT = (800, 600), (600, 800)


def test_photos_of_one_shape_keep_it():
    assert choose([LANDSCAPE] * 9 + [UPRIGHT]) == (384, 288)
    assert choose([UPRIGHT]) == (288, 384)
    assert choose([LANDSCAPE, UPRIGHT]) == (320, 320)


def test_another_square_has_other_shapes_of_its_area():
    assert choose([LANDSCAPE], side=512) == (608, 448)
    assert choose([(800, 800)], side=96) == (96, 96)


def test_the_shorter_side_unless_the_longer_is_too_long():
    assert between([LANDSCAPE], 600, 1024) == (800, 608)  # 800 x 600
    assert between([UPRIGHT], 600, 1024) == (608, 800)
    assert between([(1920, 1080)], 600, 1024) == (1024, 576)


def test_photos_of_mixed_shapes_get_the_square_that_holds_them():
    assert between([LANDSCAPE, UPRIGHT], 600, 1024) == (1024, 1024)


def test_a_very_long_shape_keeps_a_side_that_the_network_can_have():
    assert between([(2000, 100)], 96, 320) == (320, 96)
