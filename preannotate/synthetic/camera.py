"""The effects of a camera: uneven light, a tint, the lens's blur and the sensor's noise."""

import numpy as np
from PIL import Image, ImageFilter

from preannotate.synthetic.backgrounds import smooth_noise


def photograph(canvas: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Apply uneven light, a tint, sometimes a large shadow; then the lens's blur and the sensor's noise."""
    height, width = canvas.shape[:2]
    size = (width, height)
    light = 1 + smooth_noise(size, (2, 2), rng) * np.float32(rng.uniform(0.05, 0.3))
    if rng.random() < 0.35:  # something tall beside the table
        edge = smooth_noise(size, (3, 3), rng) * np.float32(3) + np.float32(rng.uniform(0, 1))
        light *= 1 - np.clip(edge, 0, 1) * np.float32(rng.uniform(0.2, 0.45))
    tint = rng.uniform(0.94, 1.06, 3) * rng.uniform(0.7, 1.05) * 255
    canvas *= light[..., None]
    canvas *= tint.astype(np.float32)
    image = Image.fromarray(np.clip(canvas, 0, 255, out=canvas).astype(np.uint8))
    if rng.random() < 0.6:
        image = image.filter(ImageFilter.BoxBlur(rng.uniform(0.3, 0.8) * min(size) / 480))
    strength = np.float32(rng.uniform(0.02, 0.12))
    noise = rng.integers(0, 256, canvas.shape, np.uint8).astype(np.float32)
    noise -= np.float32(127.5)
    noise *= strength
    noise += np.asarray(image)
    return Image.fromarray(np.clip(noise, 0, 255, out=noise).astype(np.uint8))
