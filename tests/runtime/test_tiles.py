"""Where tiles lie, what they show, and that boxes come back from them; numbers are chosen to be whole."""

import io

import numpy as np
import pytest
from PIL import Image

from runtime.detector import Detector
from runtime.errors import ImageError
from runtime.image import DecodedImage
from runtime.letterbox import Letterbox
from runtime.manifest import PADDING, Manifest, MaskHead, MaskKind, Postprocess, Tiles
from runtime.masks import InstanceMask, mask_iou
from runtime.tiles import Tile, decode_size, rendering, views

INPUT, TWO = (100, 100), Tiles(2, 0.2)


def corners(image_size, tiles, input_size=INPUT):
    return [view.corner for view in views(image_size, input_size, tiles) if isinstance(view, Tile)]


def test_two_tiles_of_which_each_has_a_fifth_of_the_next_show_objects_larger_by_nine_fifths():
    assert TWO.zoom == pytest.approx(1.8)
    assert decode_size(INPUT, TWO) == (180, 180)
    assert rendering((720, 720), INPUT, TWO).resized == (180, 180)
    assert corners((720, 720), TWO) == [(0, 0), (80, 0), (0, 80), (80, 80)]


def test_the_whole_image_is_seen_first():
    assert views((720, 720), INPUT, TWO)[0] == Letterbox.fit((720, 720), INPUT)
    assert views((720, 720), INPUT, None) == [Letterbox.fit((720, 720), INPUT)]


def test_a_flat_image_has_one_row():
    assert corners((720, 320), TWO) == [(0, 0), (80, 0)]
    assert corners((320, 720), TWO) == [(0, 0), (0, 80)]


@pytest.mark.parametrize(
    ("image_size", "tiles", "rendered", "count"),
    [
        ((1920, 1080), Tiles(2), (1138, 640), 2),  # 1152 x 648 would have a second row for 8 pixels
        ((1080, 1920), Tiles(2), (640, 1138), 2),
        ((1920, 1080), Tiles(3), (1664, 936), 6),  # two rows cover up to 1152
        ((3000, 2200), Tiles(3), (1571, 1152), 6),  # 1664 x 1220 would have a third
        ((4000, 3000), Tiles(2), (1152, 864), 4),
    ],
)
def test_there_is_no_row_of_tiles_for_a_few_pixels(image_size, tiles, rendered, count):
    assert rendering(image_size, (640, 640), tiles).resized == rendered
    assert len(corners(image_size, tiles, (640, 640))) == count


def test_three_tiles_cover_an_image_evenly():
    assert [x for x, y in corners((1000, 1000), Tiles(3, 0.2)) if y == 0] == [0, 80, 160]


def test_an_image_is_never_enlarged_for_tiles():
    assert rendering((150, 150), INPUT, TWO).resized == (150, 150)
    assert corners((150, 150), TWO) == [(0, 0), (50, 0), (0, 50), (50, 50)]


@pytest.mark.parametrize("side", [1, 60, 100, 124])
def test_an_image_hardly_larger_than_the_input_has_no_tiles(side):
    assert corners((side, side), TWO) == []
    assert rendering((side, side), INPUT, TWO) == Letterbox.fit((side, side), INPUT)


def test_no_image_has_more_tiles_than_the_square_of_a_side():
    rng = np.random.default_rng(0)
    for _ in range(500):
        per_side = int(rng.integers(2, 5))
        size = tuple(int(side) for side in np.exp(rng.uniform(0, np.log(30_000), 2)))
        tiles = Tiles(per_side, float(rng.choice([0.1, 0.2, 0.5])))
        input_size = tuple(int(32 * side) for side in rng.integers(3, 21, 2))
        seen = views(size, input_size, tiles)
        assert len(seen) <= per_side**2 + 1
        rendered = rendering(size, input_size, tiles).resized
        covered = np.zeros(rendered[::-1], bool)
        for tile in seen[1:]:
            (x, y), (width, height) = tile.corner, input_size
            assert 0 <= x <= max(rendered[0] - width, 0) and 0 <= y <= max(rendered[1] - height, 0)
            covered[y : y + height, x : x + width] = True
        assert len(seen) == 1 or covered.all()


def test_a_tile_shows_its_part_with_padding_where_the_image_ends():
    image = Image.fromarray(np.arange(180 * 60 * 3, dtype=np.uint32).reshape(60, 180, 3).astype(np.uint8))
    tile = views((720, 240), INPUT, TWO)[2]

    pixels = tile.pixels(image)

    assert (pixels.shape, pixels.dtype) == ((100, 100, 3), np.uint8)
    assert (pixels[:60] == np.asarray(image)[:, 80:180]).all()
    assert (pixels[60:] == PADDING).all()


def test_boxes_of_a_tile_come_back_in_image_pixels():
    tile = views((720, 720), INPUT, TWO)[2]  # at (80, 0); four image pixels for one

    assert tile.to_image(np.float32([[10, 20, 30, 40]])).tolist() == [[360, 80, 440, 160]]


def test_what_an_inner_border_cuts_is_dropped_and_what_the_image_ends_is_not():
    tile = views((720, 720), INPUT, TWO)[2]  # left and lower borders are inside the image
    found = tile.to_image(
        np.float32([[3, 20, 30, 40], [10, 20, 30, 97], [10, 0, 30, 40], [60, 20, 100, 40], [4, 20, 30, 96]])
    )

    assert np.isnan(found).all(axis=1).tolist() == [True, True, False, False, False]


class Squares:
    """Finds what is brighter than 200 as one box, with a higher score the larger it is in the input."""

    name, device, warning = "squares", "none", ""

    def __init__(self):
        self.runs = 0

    def run(self, pixels):
        self.runs += 1
        assert pixels.shape[1:] == (100, 100, 3)
        rows, columns = np.nonzero(pixels[0].min(axis=2) > 200)
        if not len(rows):
            return {"boxes": np.zeros((1, 1, 4), np.float32), "scores": np.zeros((1, 1, 1), np.float32)}
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        score = min((box[2] - box[0]) / 20, 0.9)
        return {"boxes": np.float32([[box]]), "scores": np.float32([[[score]]])}


def detector(tiles):
    return Detector(Squares(), Manifest("squares", ("bright",), INPUT, Postprocess(0.1, (0.1,)), tiles=tiles))


def photo(*box, size=(720, 720)):
    image = Image.new("RGB", size)
    image.paste((255, 255, 255), box)
    return image


@pytest.mark.parametrize(
    ("box", "score"),
    [
        ((40, 40, 80, 80), 0.5),  # 5.6 pixels of the whole, 10 of a tile
        ((340, 340, 380, 380), 0.5),  # in the middle, seen by all four: one box
        ((80, 80, 640, 640), 0.9),  # cut by every tile: that of the whole image
    ],
)
def test_an_object_is_found_once_where_it_is_largest(box, score):
    image = photo(*box)

    found = detector(TWO).detect(DecodedImage(image, image.size))

    assert len(found) == 1
    assert found[0].score == pytest.approx(score)
    assert found[0].box == pytest.approx(box, abs=8)


class TwoScales:
    """Sees one object in each input, where it lies in the whole image and in the first tile."""

    name, device, warning = "two scales", "none", ""

    def __init__(self, whole, tile):
        self._answers = [whole, tile, None, None, None]

    def run(self, pixels):
        box = self._answers.pop(0)
        score = 0.0 if box is None else 0.5 + 0.1 * len(self._answers)  # the whole image is surer
        return {"boxes": np.float32([[box or (0, 0, 1, 1)]]), "scores": np.float32([[[score]]])}


@pytest.mark.parametrize(
    ("tile", "count"),
    [
        ((18, 18, 36, 36), 1),  # the same
        ((22, 18, 40, 36), 1),  # 14 of 22: IoU 0.636, below that of suppression within a view
        ((40, 18, 58, 36), 2),  # beside it
    ],
)
def test_boxes_of_two_scales_are_merged_though_they_differ_more_than_those_of_one(tile, count):
    cut = Postprocess(0.1, (0.1,), iou_threshold=0.65)
    engine = TwoScales((10, 10, 20, 20), tile)  # in a tile (18, 18, 36, 36)
    both = Detector(engine, Manifest("two", ("bright",), INPUT, cut, tiles=TWO))

    found = both.detect(DecodedImage(photo(0, 0, 1, 1), (720, 720)))

    assert len(found) == count
    assert found[0].box == pytest.approx((72, 72, 144, 144), abs=0.1)


class Crowd:
    """The first input has a thousand sure candidates at one place, and each tile one less sure at its own."""

    name, device, warning = "crowd", "none", ""

    def __init__(self):
        self.runs = 0

    def run(self, pixels):
        self.runs += 1
        if self.runs == 1:
            return {"boxes": np.float32([[(0, 0, 5, 5)] * 1000]), "scores": np.full((1, 1000, 1), 0.9, np.float32)}
        return {"boxes": np.float32([[(40, 40, 60, 60)]]), "scores": np.float32([[[0.5]]])}


def test_a_crowd_in_one_view_leaves_room_for_the_others():
    crowded = Detector(Crowd(), Manifest("crowd", ("bright",), INPUT, Postprocess(0.1, (0.1,)), tiles=TWO))

    found = crowded.detect(DecodedImage(photo(0, 0, 1, 1), (720, 720)))

    assert [round(one.score, 1) for one in found] == [0.9, 0.5, 0.5, 0.5, 0.5]


def test_an_image_that_no_memory_is_left_for_is_an_error_of_the_image(monkeypatch):
    def resize(*_):
        raise MemoryError

    stream = io.BytesIO()
    photo(40, 40, 80, 80).save(stream, "PNG")
    monkeypatch.setattr(Letterbox, "resize", resize)

    with pytest.raises(ImageError, match="720x720 pixels need more memory than there is"):
        detector(TWO).decode(stream.getvalue())


def test_a_file_is_decoded_with_the_detail_that_tiles_show():
    stream = io.BytesIO()
    photo(40, 40, 80, 80).save(stream, "PNG")

    assert detector(TWO).decode(stream.getvalue()).pixels.size == (180, 180)
    assert detector(None).decode(stream.getvalue()).pixels.size == (100, 100)


def test_images_of_a_batch_are_answered_in_turn():
    images = [photo(40, 40, 80, 80), photo(0, 0, 1, 1, size=(100, 100)), photo(400, 400, 440, 440)]
    tiled = detector(TWO)

    found = tiled.detect_batch([DecodedImage(image, image.size) for image in images], [None, 0.2, None])

    assert [len(one) for one in found] == [1, 0, 1]
    assert tiled.engine.runs == 5 + 1 + 5


def test_what_is_too_large_for_sharp_tiles_is_read_for_the_whole_image(monkeypatch):
    asked = []

    def decode(data, size):
        asked.append(size)
        if size != INPUT:
            raise ImageError("image: too large")
        return DecodedImage(photo(40, 40, 80, 80), (720, 720))

    monkeypatch.setattr("runtime.tiles.decode", decode)

    assert detector(TWO).decode(b"").size == (720, 720)
    assert asked == [(180, 180), INPUT]


class Shapes(Squares):
    """Finds what is brighter than 200 with its mask, in one of the ways in which networks give masks."""

    def __init__(self, kind):
        super().__init__()
        self._kind = kind

    def run(self, pixels):
        found = super().run(pixels)
        bright = pixels[0].min(axis=2) > 200
        cells = np.where(bright.reshape(50, 2, 50, 2).mean(axis=(1, 3)) >= 0.5, 10, -10).astype(np.float32)[
            None, ..., None
        ]
        if self._kind is MaskKind.PROTOTYPES:
            return found | {"mask_coefficients": np.ones((1, 1, 1), np.float32), "prototypes": cells}
        if self._kind is MaskKind.KERNELS:
            kernels, locations = np.float32([[[0, 0, 1, 0]]]), np.float32([[[50, 50, 1]]])
            return found | {"mask_kernels": kernels, "mask_features": cells, "mask_locations": locations}
        x1, y1, x2, y2 = found["boxes"][0, 0].astype(int).tolist()
        inside = Image.fromarray(bright[y1:y2, x1:x2] if x2 > x1 else np.zeros((1, 1), bool))
        return found | {"masks": np.asarray(inside.resize((28, 28)), np.float32)[None, None]}


HEADS = [MaskHead(kind, (1,) if kind is MaskKind.KERNELS else ()) for kind in MaskKind]


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind.value)
@pytest.mark.parametrize(
    ("box", "size"),
    [
        ((40, 40, 120, 120), (720, 720)),  # in the first tile
        ((600, 360, 680, 480), (720, 720)),  # in the last, cut by the second
        ((336, 336, 384, 384), (720, 720)),  # in all four
        ((600, 80, 720, 160), (720, 240)),  # at the edge of the image, in a tile that ends below the image
        ((80, 80, 640, 640), (720, 720)),  # cut by every tile: that of the whole image
        ((0, 0, 50, 30), (90, 60)),  # an image without tiles
    ],
)
def test_masks_of_tiles_are_in_the_frame_of_the_image(head, box, size):
    """An angle, which is no mirror image of itself."""
    x1, y1, x2, y2 = box
    image = photo(*box, size=size)
    image.paste((0, 0, 0), ((x1 + x2) // 2, y1, x2, (y1 + y2) // 2))
    expected = InstanceMask.from_bitmap(np.asarray(image)[..., 0])
    cut = Postprocess(0.1, (0.1,))
    tiled = Detector(Shapes(head.kind), Manifest("shapes", ("bright",), INPUT, cut, mask_head=head, tiles=TWO))

    (found,) = tiled.detect(DecodedImage(image, image.size))

    assert mask_iou([found.mask], [expected])[0, 0] > 0.9
    assert found.mask.cut((0, 0, *size)) == found.mask


class ManyMasks:
    """Finds an object at the same place of each input, less surely in each, with a mask that is larger in each."""

    name, device, warning = "many masks", "none", ""

    def __init__(self):
        self.runs = 0

    def run(self, pixels):
        self.runs += 1
        masks = np.zeros((1, 2, 20, 20), np.float32)
        masks[0, 1, :, : 4 * self.runs] = 1
        # The first row reaches no threshold.
        scores = np.float32([[[0], [1 - 0.1 * self.runs]]])
        return {"boxes": np.float32([[(0, 0, 9, 9), (40, 40, 60, 60)]]), "scores": scores, "masks": masks}


def test_each_detection_has_the_mask_of_its_row_and_view():
    manifest = Manifest("many", ("bright",), INPUT, Postprocess(0.1, (0.1,)), mask_head=HEADS[2], tiles=TWO)

    found = Detector(ManyMasks(), manifest).detect(DecodedImage(photo(0, 0, 1, 1), (720, 720)))

    assert [one.box[:2] for one in found] == [(288, 288), (160, 160), (480, 160), (160, 480), (480, 480)]
    assert [one.mask.box[:2] for one in found] == [one.box[:2] for one in found]
    # A fifth of the box for each run: of 144 pixels in the whole image, of 80 in a tile.
    assert [one.mask.width for one in found] == pytest.approx([29, 32, 48, 64, 80], abs=1)
    assert [one.mask.height for one in found] == [144, 80, 80, 80, 80]


@pytest.mark.parametrize("tiles", [None, TWO])
def test_where_nothing_is_found_there_is_no_mask(tiles):
    cut = Postprocess(0.1, (0.1,))
    manifest = Manifest("many", ("bright",), INPUT, cut, mask_head=HEADS[2], tiles=tiles)

    assert Detector(ManyMasks(), manifest).detect(DecodedImage(photo(0, 0, 1, 1), (720, 720)), threshold=0.95) == []


def test_a_label_of_rectangles_has_no_masks_in_tiles_either():
    manifest = Manifest(
        "many", ("bright",), INPUT, Postprocess(0.1, (0.1,)), mask_head=HEADS[2], label_types=("rectangle",), tiles=TWO
    )

    found = Detector(ManyMasks(), manifest).detect(DecodedImage(photo(0, 0, 1, 1), (720, 720)))

    assert [one.mask for one in found] == [None] * 5
