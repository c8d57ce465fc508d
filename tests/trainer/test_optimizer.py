import keras
import numpy as np

from trainer.optimizer import AdamW


def trained(kind, steps=5):
    """Weights and bias after some steps at changing rates; weight decay spares the bias."""
    rng = np.random.default_rng(0)
    variables = [keras.Variable(rng.normal(size=shape).astype(np.float32)) for shape in ((5, 7), (7,))]
    optimizer = kind(weight_decay=0.02)
    optimizer.exclude_from_weight_decay(var_list=variables[1:])
    optimizer.build(variables)
    for step in range(steps):
        optimizer.learning_rate.assign(0.01 * (step + 1))
        gradients = [rng.normal(size=variable.shape).astype(np.float32) for variable in variables]
        optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients], variables)
    return [np.array(value) for value in [*variables, *optimizer.variables]]


def test_it_learns_what_keras_learns_and_keeps_the_same_state():
    for ours, theirs in zip(trained(AdamW), trained(keras.optimizers.AdamW), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
