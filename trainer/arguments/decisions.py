"""What was decided for a run that nobody requested, and why: for the log, `config.json` and the report."""

from preannotate.core.text import plural
from trainer.arguments.defaults import MIN_EPOCHS, Defaults
from trainer.arguments.facts import TrainingFacts
from trainer.arguments.table import format_short
from trainer.config import Decision, Overrides, TrainingConfig

_BACKBONE_RATE = "backbone_learning_rate"


def explain(
    config: TrainingConfig, overrides: Overrides, defaults: Defaults, facts: TrainingFacts, *, model: str
) -> tuple[Decision, ...]:
    """Return the decisions that `resolve_arguments` made of the same facts, and that about the size of the input."""
    size, pretrained, copy_paste, tiles = facts.input_size, facts.pretrained, facts.copy_paste, facts.tiles
    requested = {name for name, value in overrides.items() if value is not None}
    found = [Decision(f"image_size={config.image_size}", size.reason)] if size.reason else []
    if "batch_size" not in requested:
        found.append(Decision(f"batch_size={config.batch_size}", _batch(config, defaults, model)))
    if not requested & {"epochs", "steps"}:
        found.append(_length(config, defaults, facts))
    if copy_paste and "copy_paste" not in requested:
        found.append(Decision(f"copy_paste={config.copy_paste:g}", copy_paste.reason))
    if tiles and "tiles" not in requested:
        found.append(Decision(f"tiles={config.tiles}", tiles.reason))
    names = [name for name in defaults.of_model(pretrained=pretrained) if name not in requested]
    if _BACKBONE_RATE in names and pretrained and config.backbone_learning_rate < defaults.backbone_learning_rate:
        names.remove(_BACKBONE_RATE)
        why = f"lower than the usual {defaults.backbone_learning_rate:g}, since there are only {facts.boxes} boxes"
        found.append(Decision(f"{_BACKBONE_RATE}={config.backbone_learning_rate:g}", why))
    if names:
        weights = "pretrained" if pretrained else "random"
        values = ", ".join(f"{name}={format_short(name, getattr(config, name))}" for name in names)
        found.append(Decision(values, f"what {model} trains with from {weights} weights"))
    return tuple(found)


def _batch(config: TrainingConfig, defaults: Defaults, model: str) -> str:
    if config.batch_size == defaults.batch_size:
        return f"the usual number for {model}"
    if config.batch_size > defaults.batch_size:
        return f"the usual {defaults.batch_size}, and as many more as give all replicas the same number"
    return f"fewer than the usual {defaults.batch_size}, to save memory: inputs of {config.image_size} are large"


def _length(config: TrainingConfig, defaults: Defaults, facts: TrainingFacts) -> Decision:
    if config.epochs is None:
        return Decision(f"max_minutes={config.max_minutes:g}", "all of the time is used, since it is the only limit")
    steps_in_epoch = -(-facts.images // config.batch_size)
    if config.epochs == MIN_EPOCHS:
        why = f"each of {facts.images} images is shown {MIN_EPOCHS} times"
    else:
        steps = plural(defaults.steps(pretrained=facts.pretrained), "step")
        why = f"about {steps}, after which such trainings gained nothing, in epochs of {steps_in_epoch}"
    return Decision(f"epochs={config.epochs}", why)
