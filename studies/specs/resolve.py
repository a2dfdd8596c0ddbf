"""Where a spec comes from: a recipe or YAML file, a preset, the folder's own spec, overrides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from search_spaces import InvalidSettingError
from search_spaces.choices import check_name
from studies.specs.growth import check_growth
from studies.specs.listing import setting_rows
from studies.specs.scans import override_noise
from studies.specs.settings import TEXT_KEYS
from studies.specs.spec import StudySpec, read_study_name
from studies.specs.yaml_files import load_recipe, read_yaml

SCAN_PREFIX = "scans."


def parse_override(text: str) -> tuple[str, Any]:
    """Read one ``key=value`` of a command line; the value is YAML or ``log(LOW, HIGH)``.

    >>> parse_override("alpha=[10, 100]")
    ('alpha', [10, 100])
    """
    key, equals, raw = text.partition("=")
    if not equals:
        raise InvalidSettingError(f"{text!r} is not key=value")
    try:
        return key.strip(), yaml.safe_load(raw)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InvalidSettingError(f"{text[:60]!r}: the value is not valid YAML") from None


def resolve_spec(
    source: str,
    overrides: Mapping[str, Any],
    preset: str | None = None,
    held: Mapping[str, Any] | None = None,
) -> StudySpec:
    """Combine recipe or YAML file, preset, the folder's own spec and overrides, in this order.

    Parameters
    ----------
    source
        Name of a recipe or path of a YAML file.
    held
        The plain spec that the study's folder already holds.

    Raises
    ------
    InvalidSettingError
        If a setting is invalid, or if `held` belongs to another study or cannot grow into the
        settings asked for.
    """
    plain = load_source(source)
    presets = plain.pop("presets", None) or {}
    if not isinstance(presets, dict) or not all(isinstance(p, dict) for p in presets.values()):
        raise InvalidSettingError(f"presets={presets!r} must map names to settings")
    study = read_study_name(plain.get("study", source))
    if preset is not None:
        check_name("preset", preset, tuple(presets) or ("standard",))
        plain.update(presets.get(preset) or {})
    if held is None:
        asked_for = apply_overrides({**plain, "study": study}, overrides)
        return StudySpec.from_plain(asked_for if "scans" in overrides else _measurable(asked_for))
    if held.get("study") != study:
        raise InvalidSettingError(
            f"the folder holds the study {held.get('study')!r}, not {study!r}; "
            "choose another folder with --out"
        )
    asked = dict(overrides) if preset is None else {**(presets.get(preset) or {}), **overrides}
    if Path(source).suffix in (".yaml", ".yml"):
        asked = {**{key: value for key, value in plain.items() if key not in TEXT_KEYS}, **asked}
    before = StudySpec.from_plain(held)
    after = StudySpec.from_plain(apply_overrides(dict(held), asked))
    check_growth(before, after)
    return after


def _measurable(plain: dict[str, Any]) -> dict[str, Any]:
    """Leave out the scans of a recipe that measure what its model, by now another one, cannot."""
    scans = plain.get("scans")
    if not isinstance(scans, dict) or plain.get("model", "mlp") == "mlp":
        return plain
    kept = {
        name: own
        for name, own in scans.items()
        if not (isinstance(own, dict) and own.get("observables"))
    }
    return {**plain, "scans": kept}


def study_name_of(source: str) -> str:
    """Return the name of the study that a recipe or YAML file describes."""
    return read_study_name(load_source(source).get("study", source))


def load_source(source: str) -> dict[str, Any]:
    """Return what a recipe or a YAML file holds."""
    path = Path(source)
    if path.suffix in (".yaml", ".yml"):
        return {"study": path.stem, **read_yaml(path)}
    return load_recipe(source)


def apply_overrides(plain: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Apply overrides; ``scans.NAME.KEY`` is a setting of one scan."""
    own = {key: value for key, value in overrides.items() if not key.startswith(SCAN_PREFIX)}
    known = setting_rows(own.get("kind", plain.get("kind")))
    for key in own:
        check_name("option", key, known)
    merged = override_noise(plain, own)
    # A displaced temperature is a setting of trainings alone.
    result = {key: value for key, value in merged.items() if key in known or key in plain}
    for key in overrides.keys() - own.keys():
        name, _, setting = key.removeprefix(SCAN_PREFIX).partition(".")
        scans = dict(result.get("scans") or {})
        check_name("scan", name, tuple(scans) or ("none",))
        scans[name] = override_noise(scans[name], {setting: overrides[key]})
        result["scans"] = scans
    return result
