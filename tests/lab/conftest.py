"""Images of real guests, for the tests that boot one."""

import shutil

import pytest

from kmcl_lab.images import Images, default_cache, load
from kmcl_lab.machine import EMULATOR
from kmcl_lab.problem import LabProblem


def found_images() -> Images | str:
    """Images from the cache, or why there are none."""
    if shutil.which(EMULATOR) is None:
        return f"{EMULATOR} is not installed: kmcl lab build --install"
    reason = f"no images in {default_cache()}: kmcl lab build"
    made = default_cache().glob("*/manifest.json")
    for manifest in sorted(made, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            return load(manifest.parent)
        except LabProblem as problem:
            reason = str(problem)
    return reason


@pytest.fixture(scope="session")
def images(request: pytest.FixtureRequest) -> Images:
    """What ``kmcl lab build`` has made. The test is skipped where nobody has asked for real guests,
    and fails where they were asked for and cannot be booted."""
    if not request.config.getoption("--real-guests"):
        pytest.skip("boots real guests, which takes minutes: make test-lab")
    images = found_images()
    if isinstance(images, str):
        pytest.fail(f"--real-guests was given, and there are none: {images}", pytrace=False)
    return images
