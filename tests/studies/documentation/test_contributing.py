"""The pages on adding something to this project, followed literally in a copy of it.

Those of a study, in a package of its own, are followed by `tests/studies/specs/test_packages.py`.
"""

import pytest
from followed import PAGES, changed_copy, commands_of, type_in

STUDY = "study"


@pytest.mark.docs
@pytest.mark.apart
@pytest.mark.timeout(900, func_only=True)
@pytest.mark.parametrize("page", sorted({path.stem for path in PAGES.glob("*.md")} - {STUDY}))
def test_a_page_is_followed(page, tmp_path):
    commands = commands_of(page)
    assert len(commands) > 1
    project = changed_copy(page, tmp_path / "project")
    for command in commands:
        type_in(project, command)
