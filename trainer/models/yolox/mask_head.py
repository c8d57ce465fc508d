"""How YOLOX makes masks: what each cell predicts, of which map, and how the two become the mask of an object.

Two ways, behind one class: prototypes that each cell weighs (YOLACT, https://arxiv.org/abs/1904.02689), or a small
network for each cell (CondInst, https://arxiv.org/abs/2003.05664; RTMDet-Ins, https://arxiv.org/abs/2212.07784).
`runtime.mask_composition` does the same in NumPy, for the objects that are kept.
"""

from dataclasses import dataclass

import tensorflow as tf

from runtime.engines import MASK_OUTPUTS
from runtime.manifest import MaskHead, MaskKind

# Input pixels of a cell of the map.
STRIDE = 4
# As in YOLACT.
_PROTOTYPES = 32
# As in CondInst: channels of the map, and those behind each convolution of a cell's network.
_FEATURES, _LAYERS = 8, (8, 8, 1)
# Coordinates are divided by the stride of the cell times this, as in RTMDet-Ins.
_EXTENT = 8
_COORDINATES = 2


@dataclass(frozen=True)
class YoloxMaskHead:
    """One of the two ways; `kind` is `PROTOTYPES` or `KERNELS`."""

    kind: MaskKind

    def __post_init__(self) -> None:
        """Refuse what YOLOX cannot do."""
        if self.kind not in (MaskKind.PROTOTYPES, MaskKind.KERNELS):
            raise ValueError(f"mask_kind={self.kind.value}; expected prototypes or kernels")

    @property
    def manifest(self) -> MaskHead:
        """How the runtime reads the outputs."""
        return MaskHead(self.kind, _LAYERS if self.kind is MaskKind.KERNELS else ())

    @property
    def channels(self) -> int:
        """Channels of the map."""
        return _PROTOTYPES if self.kind is MaskKind.PROTOTYPES else _FEATURES

    @property
    def values(self) -> int:
        """Numbers that each cell predicts."""
        if self.kind is MaskKind.PROTOTYPES:
            return _PROTOTYPES
        return sum(out * into + out for out, into in self._shapes())

    @property
    def activation(self) -> str:
        """Of these numbers: coefficients of prototypes may take something away, and none is without limit."""
        return "tanh" if self.kind is MaskKind.PROTOTYPES else "linear"

    def outputs(self, values: tf.Tensor, feature_map: tf.Tensor, cells: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the outputs of the engine contract.

        Args:
            values: float32 (B, A, values).
            feature_map: float32 (B, h, w, channels).
            cells: float32 (A, 3); see `YoloxNetwork`.
        """
        names = MASK_OUTPUTS[self.kind]
        outputs = dict(zip(names, (values, feature_map), strict=False))
        if self.kind is MaskKind.KERNELS:
            outputs[names[-1]] = tf.zeros_like(values[..., :3]) + _locations(cells)
        return outputs

    def logits(self, values: tf.Tensor, feature_map: tf.Tensor, cells: tf.Tensor) -> tf.Tensor:
        """Return the logits of masks, float32 (B, M, h * w), row by row.

        Args:
            values: float32 (B, M, values): of M cells of each image.
            feature_map: float32 (B, h, w, channels).
            cells: float32 (B, M, 3): these cells; see `YoloxNetwork`.
        """
        height, width = feature_map.shape[1:3]
        flat = tf.reshape(feature_map, (-1, height * width, self.channels))
        if self.kind is MaskKind.PROTOTYPES:
            return tf.matmul(values, flat, transpose_b=True)
        return self._dynamic(values, flat, centres(height, width), _locations(cells))

    def _dynamic(self, values: tf.Tensor, flat: tf.Tensor, points: tf.Tensor, locations: tf.Tensor) -> tf.Tensor:
        """Return the logits of each cell's own network; `points` float32 (h * w, 2) are those of the map."""
        shapes = self._shapes()
        sizes = [out * into for out, into in shapes]
        *parts, biases = tf.split(values, [*sizes, sum(_LAYERS)], axis=-1)
        biases = tf.split(biases, list(_LAYERS), axis=-1)
        count = tf.shape(values)[1]
        kernels = [
            tf.reshape(part, (-1, count, out, into)) for part, (out, into) in zip(parts, shapes, strict=True)
        ]  # (B, M, out, in)
        # The coordinates of each cell are never made: those of the map and of the location count apart.
        of_place, of_features = kernels[0][..., :_COORDINATES], kernels[0][..., _COORDINATES:]
        of_place = of_place / locations[..., None, 2:]
        constant = tf.reduce_sum(of_place * locations[..., None, :_COORDINATES], -1) + biases[0]  # (B, M, out)
        x = tf.einsum("bpc,bmoc->bmpo", flat, of_features) - tf.einsum("pc,bmoc->bmpo", points, of_place)
        x += constant[:, :, None]
        for kernel, bias in zip(kernels[1:], biases[1:], strict=True):
            x = tf.matmul(tf.nn.relu(x), kernel, transpose_b=True) + bias[:, :, None]
        return x[..., 0]

    def _shapes(self) -> list[tuple[int, int]]:
        """Return (out, in) of each dynamic convolution."""
        return list(zip(_LAYERS, (_COORDINATES + _FEATURES, *_LAYERS), strict=False))


def centres(height: int, width: int) -> tf.Tensor:
    """Return x and y of the centres of a map's cells, float32 (height * width, 2), input pixels, row by row."""
    x, y = tf.meshgrid(tf.range(width, dtype=tf.float32), tf.range(height, dtype=tf.float32))
    return (tf.reshape(tf.stack([x, y], -1), (-1, 2)) + 0.5) * STRIDE


def _locations(cells: tf.Tensor) -> tf.Tensor:
    """Return `mask_locations` of cells (..., 3): their centres, and what coordinates are divided by."""
    strides = cells[..., 2:]
    return tf.concat([cells[..., :2] + strides / 2, strides * _EXTENT], axis=-1)
