"""The public image sets, from tiny files in their formats; nothing is downloaded."""

import gzip
import hashlib
import json
import urllib.request
from dataclasses import replace

import numpy as np
import pytest

from search_spaces import InvalidSettingError
from trainers.data import load_dataset
from trainers.data.image_files import (
    CIFAR_RECORD,
    IDX_IMAGES,
    IDX_LABELS,
    read_cifar,
    read_idx,
    write_bytes,
    write_idx,
)
from trainers.data.image_sets import (
    CIFAR10,
    FASHION_MNIST,
    MNIST,
    VARIABLE,
    find_folder,
    load_images,
    read_images,
    write_images,
)

SETS = {"mnist": MNIST, "fashion-mnist": FASHION_MNIST, "cifar10": CIFAR10}


def tiny(name):
    """The set with 3 and 2 images in its first two files."""
    full = SETS[name]
    parts = zip(full.parts, (3, 2), strict=False)
    return replace(full, parts=tuple((files, n) for (files, _), n in parts))


def content(images):
    rng = np.random.default_rng(1)
    shape = images.n_images, int(np.prod(images.input_shape))
    return rng.integers(0, 256, shape, dtype=np.uint8), np.array([3, 6, 1, 8, 9], np.uint8)


@pytest.fixture(name="root")
def _root(tmp_path, monkeypatch):
    root = tmp_path / "data"
    root.mkdir()
    monkeypatch.setenv(VARIABLE, str(root))
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "sklearn"))
    # A refused connection is what a machine without a network looks like.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    # urllib keeps the opener, with these proxies, that its first request makes.
    monkeypatch.setattr(urllib.request, "_opener", None)
    return root


@pytest.fixture(name="files")
def _files(root):
    """Write the files of a tiny set into one of its folders; return (set, folder)."""

    def write(name, folder=None):
        images = tiny(name)
        place = root / (folder or images.folders[0])
        write_images(images, place, *content(images))
        return images, place

    return write


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("place", [0, -1])
def test_files_give_centred_images_with_the_labels_of_the_literature(files, name, place):
    images, _ = files(name, SETS[name].folders[place])
    dataset = load_images(images)
    pixels, _ = content(images)
    assert dataset.size == 5
    assert dataset.input_shape == SETS[name].input_shape
    centred = pixels - pixels.mean(axis=0)
    centred *= np.sqrt(dataset.input_dim) / np.linalg.norm(centred, axis=1, keepdims=True)
    assert np.allclose(dataset.inputs, centred, rtol=1e-14)
    # Classes 3, 6, 1, 8, 9: odd or even, and cat, frog against automobile, ship, truck.
    expected = [1, 1, -1, -1, -1] if name == "cifar10" else [1, -1, 1, -1, 1]
    assert dataset.labels.tolist() == expected


def test_compressed_files_are_read(files):
    images, folder = files("mnist")
    for file in list(folder.iterdir()):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    pixels, classes = read_images(images, folder)
    assert (pixels == content(images)[0]).all()
    assert (classes == content(images)[1]).all()


@pytest.mark.parametrize("name", SETS)
def test_truncated_files_are_refused_with_both_sizes(files, name):
    images, folder = files(name)
    file = folder / images.parts[0][0][0]
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    with pytest.raises(InvalidSettingError) as refusal:
        load_images(images)
    sentence = f"{file} has {len(whole) - 7} bytes instead of {len(whole)}"
    assert sentence in str(refusal.value)


def test_truncated_compression_is_refused(files):
    images, folder = files("mnist")
    file = folder / "train-images-idx3-ubyte"
    packed = gzip.compress(file.read_bytes())
    file.unlink()
    file.with_name(f"{file.name}.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InvalidSettingError, match=r"train-images-idx3-ubyte\.gz cannot be read"):
        load_images(images)


def test_another_number_of_images_is_refused(files):
    images, folder = files("mnist")
    file = folder / "train-images-idx3-ubyte"
    write_idx(file, np.zeros((2, 28, 28), np.uint8))
    with pytest.raises(InvalidSettingError, match="2x28x28 values, mnist has 3x28x28"):
        load_images(images)
    write_idx(file, np.zeros((3, 28, 28), np.uint8))
    write_idx(folder / "t10k-labels-idx1-ubyte", np.zeros(4, np.uint8))
    with pytest.raises(InvalidSettingError, match="holds 4 values, mnist has 2"):
        load_images(images)


def test_a_missing_file_is_named(files):
    images, folder = files("fashion-mnist")
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(InvalidSettingError, match=r"lacks the file t10k-labels-idx1-ubyte \(or"):
        load_images(images)


def test_wrong_kinds_of_file_are_refused(tmp_path):
    file = tmp_path / "labels"
    write_idx(file, np.arange(4, dtype=np.uint8))
    with pytest.raises(InvalidSettingError, match="begins with 0x00000801, but IDX images begin"):
        read_idx(file, IDX_IMAGES)
    write_bytes(file, b"\0\0")
    with pytest.raises(InvalidSettingError, match="2 bytes, fewer than the 8 of its IDX header"):
        read_idx(file, IDX_LABELS)
    with pytest.raises(InvalidSettingError, match="nothing cannot be read"):
        read_idx(tmp_path / "nothing", IDX_LABELS)


def test_classes_beyond_nine_are_refused(tmp_path):
    file = tmp_path / "batch.bin"
    write_bytes(file, bytes([10]) + bytes(CIFAR_RECORD - 1))
    with pytest.raises(InvalidSettingError, match="holds the class 10; allowed: 0 to 9"):
        read_cifar(file, 1)


def openml_cache(folder, name, pixels, classes):
    """Write what scikit-learn keeps of a set that it once fetched from OpenML."""

    def put(path, text):
        file = folder / "openml" / "openml.org" / f"{path}.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(text.encode()))

    columns = [f"pixel{i}" for i in range(pixels.shape[1])]
    arff = "".join(f"@ATTRIBUTE {column} REAL\n" for column in columns)
    arff = f"@RELATION {name}\n{arff}@ATTRIBUTE class {{0,1,2,3,4,5,6,7,8,9}}\n@DATA\n"
    for row, label in zip(pixels, classes, strict=True):
        arff += ",".join(str(value) for value in (*row, label)) + "\n"
    described = {
        "url": "https://www.openml.org/data/v1/download/1/set.arff",
        **{"id": "1", "name": name, "version": "1", "status": "active", "format": "ARFF"},
        **{"description": "", "md5_checksum": hashlib.md5(arff.encode()).hexdigest()},
        "file_id": "1",
    }
    features = [
        {
            **{"index": str(i), "name": column, "is_ignore": "false"},
            **{"is_row_identifier": "false", "number_of_missing_values": "0"},
            **{"is_target": str(column == "class").lower()},
            "data_type": "nominal" if column == "class" else "numeric",
            **({"nominal_value": [str(k) for k in range(10)]} if column == "class" else {}),
        }
        for i, column in enumerate([*columns, "class"])
    ]
    quality = [{"name": "NumberOfInstances", "value": str(len(pixels))}]
    api = "api/v1/json/data"
    put(
        f"{api}/list/data_name/{name.lower()}/limit/2/data_version/1",
        json.dumps({"data": {"dataset": [{"did": 1, "name": name, "version": 1}]}}),
    )
    put(f"{api}/1", json.dumps({"data_set_description": described}))
    put(f"{api}/features/1", json.dumps({"data_features": {"feature": features}}))
    put(f"{api}/qualities/1", json.dumps({"data_qualities": {"quality": quality}}))
    put("data/v1/download/1/set.arff", arff)


@pytest.mark.parametrize("name", SETS)
def test_a_set_from_openml_is_kept_in_the_original_format(root, name):
    images = tiny(name)
    pixels, classes = content(images)
    openml_cache(root.parent / "sklearn", images.openml, pixels, classes)
    fetched = load_images(images)
    assert find_folder(images) == root / name
    again = load_images(images)
    kept = read_images(images, root / name)
    assert (kept[0] == pixels).all()
    assert (kept[1] == classes).all()
    assert (fetched.inputs == again.inputs).all()
    assert (fetched.labels == again.labels).all()


def test_other_images_on_openml_are_refused(root):
    images = tiny("mnist")
    pixels, classes = content(images)
    openml_cache(root.parent / "sklearn", images.openml, pixels[:4], classes[:4])
    with pytest.raises(InvalidSettingError, match=r"of shape \(4, 784\) instead of \(5, 784\)"):
        load_images(images)


@pytest.mark.parametrize("name", SETS)
def test_neither_files_nor_network_gives_one_sentence(root, name):
    with pytest.raises(InvalidSettingError) as refusal:
        load_dataset(name)
    sentence = str(refusal.value)
    assert sentence.startswith(f"data={name} is not here: put ")
    assert f"into {root / name}, or set {VARIABLE}" in sentence
    assert "\n" not in sentence
    assert "refused" in sentence
    assert not list(root.iterdir())


def test_pickled_batches_are_not_read(root):
    folder = root / "cifar10"
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(b"cos\nsystem\n(S'touch executed'\ntR.")
    with pytest.raises(InvalidSettingError, match="data_batch_1 is pickled, and reading it would"):
        load_dataset("cifar10")


def test_a_variable_that_names_no_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "typo"))
    with pytest.raises(InvalidSettingError, match=f"{VARIABLE}=.*typo is not a folder"):
        load_dataset("mnist")


def test_files_appear_whole_or_not_at_all(tmp_path):
    file = tmp_path / "new" / "file"
    with pytest.raises(TypeError):
        write_bytes(file, "no bytes")  # type: ignore[arg-type]
    assert not list(file.parent.iterdir())
