"""Make trainers/data/faces/faces.npz, the letterforms of the data set *glyphs*, and its picture.

For development: uses matplotlib's copies of free fonts and fontTools. Each digit of each face is
stored as the signed distance from its outline, positive inside, on a grid of 48 x 48; a digit is
30 units high. Their licences stand beside the file.
"""

from pathlib import Path

import matplotlib
import numpy as np
from fontTools.ttLib import TTFont
from matplotlib.ft2font import FT2Font, LoadFlags
from matplotlib.image import imsave
from scipy import ndimage

from trainers.batches.streams import Purpose
from trainers.data.glyph_kernel import MASTER_SIZE, SIDE, UNITS_PER_STEP
from trainers.data.glyphs import draw_raw

FACES = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSansMono-Oblique",
    "DejaVuSerif",
    "DejaVuSerif-BoldItalic",
    "STIXGeneral",
    "STIXGeneralItalic",
    "STIXGeneralBol",
)
HEIGHT = 30
OVERSAMPLING = 16
ROOT = Path(__file__).resolve().parents[1]
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def distance_to_outline(font: FT2Font, digit: int) -> np.ndarray:
    """Return the signed distance from the outline of a digit of `font`, in steps of the file."""
    ink = bitmap(font, str(digit))
    side = MASTER_SIZE * OVERSAMPLING
    page = np.zeros((side, side), bool)
    top, left = (side - ink.shape[0]) // 2, (side - ink.shape[1]) // 2
    page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    inside, outside = (ndimage.distance_transform_edt(part) for part in (page, ~page))
    distance = (np.maximum(inside - 0.5, 0) - np.maximum(outside - 0.5, 0)) / OVERSAMPLING
    blocks = distance.reshape(MASTER_SIZE, OVERSAMPLING, MASTER_SIZE, OVERSAMPLING)
    steps = np.rint(blocks.mean(axis=(1, 3)) / UNITS_PER_STEP) + 128
    return np.clip(steps, 0, 255).astype(np.uint8)


def bitmap(font: FT2Font, text: str) -> np.ndarray:
    """Return the ink of a text, cut to its edges."""
    font.set_text(text, flags=LoadFlags.NO_HINTING)
    font.draw_glyphs_to_bitmap(antialiased=True)
    ink = np.asarray(font.get_image()) > 127
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def load_face(name: str) -> FT2Font:
    """Return a font at the size at which an 8 is HEIGHT units high."""
    font = FT2Font(str(FONTS / f"{name}.ttf"))
    font.set_size(500, 72)
    font.set_size(500 * HEIGHT * OVERSAMPLING / bitmap(font, "8").shape[0], 72)
    return font


def version(name: str) -> str:
    """Return the version that a font states."""
    return str(TTFont(FONTS / f"{name}.ttf")["name"].getDebugName(5))


def draw_page(masters: np.ndarray) -> np.ndarray:
    """Return the first 40 images of seed 0 on one page, five rows of eight."""
    images, _ = draw_raw(masters, 40, 0, Purpose.TRAINSET)
    return np.block([list(row) for row in images.reshape(5, 8, SIDE, SIDE)])


if __name__ == "__main__":
    fonts = [load_face(name) for name in FACES]
    masters = np.array([[distance_to_outline(font, k) for k in range(10)] for font in fonts])
    images, _ = draw_raw(masters, 2**17, 0, Purpose.NOISE)
    np.savez_compressed(
        ROOT / "trainers" / "data" / "faces" / "faces.npz",
        masters=masters,
        mean=images.mean(axis=0, dtype=np.float64).astype(np.float32),
        made_from=np.array(FACES),
        versions=np.array([version(name) for name in FACES]),
    )
    page = np.kron(draw_page(masters), np.ones((2, 2)))
    imsave(
        ROOT / "docs" / "figures" / "glyphs.png",
        page,
        cmap="gray_r",
        vmin=0,
        vmax=1,
        metadata={"Software": None},
    )
