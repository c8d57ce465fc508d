"""Which files are images: by extension and by their first bytes; and which are images that are not read."""

from pathlib import Path, PurePosixPath

IMAGE_EXTENSIONS = frozenset(
    [".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".avif", ".jp2", ".ppm",
     ".pgm", ".pbm", ".pnm", ".apng", ".mpo", ".j2k", ".jpx"]
)  # fmt: skip
_RAW = (".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".raf", ".rw2", ".orf", ".pef", ".srw", ".x3f")
_VIDEO = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")
# Extension of a file that is an image, or images, and is not read → what it is.
_UNREAD_KINDS = {
    ".heic": "HEIC", ".heif": "HEIC", ".hif": "HEIC",
    **dict.fromkeys(_RAW, "camera raw"),
    ".psd": "Photoshop", ".psb": "Photoshop", ".xcf": "GIMP", ".svg": "SVG", ".svgz": "SVG", ".pdf": "PDF",
    ".jxl": "JPEG XL", ".exr": "OpenEXR", ".hdr": "HDR", ".dcm": "DICOM", ".dicom": "DICOM", ".tga": "TGA",
    ".pcx": "PCX", ".ico": "icon", ".npy": "NumPy", ".npz": "NumPy", ".mat": "MATLAB", ".nii": "NIfTI",
    ".fits": "FITS", ".eps": "EPS",
    **dict.fromkeys(_VIDEO, "video"),
}  # fmt: skip
UNREAD_EXTENSIONS = frozenset(_UNREAD_KINDS)
_HOW_TO_CONVERT = {
    "HEIC": "convert it to JPEG, as with 'magick mogrify -format jpg *.heic'",
    "camera raw": "develop it to JPEG, as CVAT showed it",
    "PDF": "save its pages as PNG, as with 'pdftoppm -r 150 -png'",
    "SVG": "draw it as PNG, as with 'rsvg-convert'",
    "video": "save its frames as images, as with 'ffmpeg -i VIDEO -start_number 0 frame_%06d.png'",
    "Git LFS pointer": "fetch the file itself with 'git lfs pull'",
    "web page": "download the image again, logged in",
}
_CONVERT = "convert it to JPEG or PNG"
# First bytes of the formats that are read.
_SIGNATURES = (
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+",
    b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51", b"P1\n", b"P2\n", b"P3\n", b"P4\n", b"P5\n", b"P6\n",
    b"P5 ", b"P6 ",
)  # fmt: skip
_UNREAD_SIGNATURES = (
    (b"8BPS", "Photoshop"), (b"%PDF", "PDF"), (b"<svg", "SVG"), (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"), (b"\x76\x2f\x31\x01", "OpenEXR"), (b"#?RADIANCE", "HDR"),
    (b"version https://git-lfs", "Git LFS pointer"), (b"<!DOCTYPE html", "web page"), (b"<!doctype html", "web page"),
    (b"<html", "web page"), (b"\x1a\x45\xdf\xa3", "video"),
)  # fmt: skip
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
_HEAD = 144


def without_extension(name: str) -> str:
    """Return the name without the extension of an image; other dots belong to the name."""
    suffix = PurePosixPath(name).suffix
    return name[: -len(suffix)] if suffix.lower() in IMAGE_EXTENSIONS | UNREAD_EXTENSIONS else name


def is_image_content(path: Path) -> bool:
    """Whether a file begins as images do that are read."""
    head = _head(path)
    return head.startswith(_SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or _is_avif(head)


def why_unread(path: Path) -> str:
    """Return what a file is and how to convert it, if it is known not to be read; else "".

    The content counts: telephones call HEIC `.jpg`. The extension only where the content says nothing.
    """
    head = _head(path)
    kind = next((kind for signature, kind in _UNREAD_SIGNATURES if head.startswith(signature)), "")
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    if brand and not _is_avif(head):
        kind = "HEIC" if brand in _HEIC_BRANDS else "camera raw" if brand == b"crx " else "video"
    elif not kind and head[128:132] == b"DICM":
        kind = "DICOM"
    elif not kind and (path.suffix.lower() in _RAW or not is_image_content(path)):
        kind = _UNREAD_KINDS.get(path.suffix.lower(), "")
    return f"{kind}, which is not read: {_HOW_TO_CONVERT.get(kind, _CONVERT)}" if kind else ""


def _is_avif(head: bytes) -> bool:
    """Whether the brand is AVIF; files may name another one first, and AVIF among the compatible ones."""
    if head[4:8] != b"ftyp":
        return False
    size = min(int.from_bytes(head[:4], "big"), _HEAD)
    compatible = [head[offset : offset + 4] for offset in range(16, size, 4)]
    brands = [head[8:12], *compatible]
    return any(brand in _AVIF_BRANDS for brand in brands) and not any(b[:3] in (b"hei", b"hev") for b in brands)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""
