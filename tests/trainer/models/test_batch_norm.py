import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.models.batch_norm import BatchNormalization, with_fused_batch_norm

INPUTS = np.random.default_rng(0).normal(3, 2, (4, 5, 6, 7)).astype(np.float32)


def pair():
    """Keras's layer and the fused one with the same, uncommon weights."""
    layers = keras.layers.BatchNormalization(momentum=0.8), BatchNormalization(momentum=0.8)
    rng = np.random.default_rng(1)
    weights = [rng.uniform(0.5, 2, 7).astype(np.float32) for _ in range(4)]
    for layer in layers:
        layer.build(INPUTS.shape)
        layer.set_weights(weights)
    return layers


def test_inference_equals_keras():
    theirs, ours = (layer(INPUTS, training=False).numpy() for layer in pair())

    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("without", ["scale", "center"])
def test_a_layer_without_scale_or_centre_equals_keras(without):
    """Inception-ResNet-v2 has no scale."""
    kinds = keras.layers.BatchNormalization, BatchNormalization
    theirs, ours = (kind(**{without: False})(INPUTS, training=True).numpy() for kind in kinds)

    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_training_equals_keras_in_outputs_statistics_and_gradients():
    results = []
    for layer in pair():
        inputs = tf.constant(INPUTS)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
            loss = tf.reduce_sum(outputs**3)
        gradients = tape.gradient(loss, [inputs, layer.gamma.value, layer.beta.value])
        results.append([outputs, *gradients, layer.moving_mean, layer.moving_variance])

    for name, theirs, ours in zip(("outputs", "x", "gamma", "beta", "mean", "variance"), *results, strict=True):
        # The fused kernel follows the unbiased variance: 120 values, so a factor of 120 / 119 on a fifth.
        tolerance = 0.01 if name == "variance" else 2e-3
        np.testing.assert_allclose(np.array(ours), np.array(theirs), rtol=tolerance, atol=tolerance, err_msg=name)


def test_a_frozen_layer_keeps_its_statistics():
    _, layer = pair()
    layer.trainable = False
    before = [weight.copy() for weight in layer.get_weights()]

    layer(INPUTS, training=True)

    assert all(np.array_equal(a, b) for a, b in zip(before, layer.get_weights(), strict=True))


def test_a_converted_model_takes_the_weights_of_the_original(tmp_path):
    inputs = keras.Input((5, 6, 7))
    outputs = keras.layers.BatchNormalization(name="norm")(keras.layers.Conv2D(3, 1, name="conv")(inputs))
    original = keras.Model(inputs, outputs)
    original.save_weights(tmp_path / "original.weights.h5")

    converted = with_fused_batch_norm(original)
    converted.load_weights(tmp_path / "original.weights.h5")

    assert isinstance(converted.get_layer("norm"), BatchNormalization)
    np.testing.assert_allclose(converted(INPUTS).numpy(), original(INPUTS).numpy(), atol=1e-5)


def test_another_padding_keeps_weights_and_names():
    inputs = keras.Input((9, 9, 3))
    original = keras.Model(inputs, keras.layers.Conv2D(2, 3, 2, padding="valid", name="conv")(inputs))

    padded = with_fused_batch_norm(original, padding="same")
    padded.set_weights(original.get_weights())

    assert padded.output_shape == (None, 5, 5, 2) and original.output_shape == (None, 4, 4, 2)
    assert padded.get_layer("conv").padding == "same"
