"""Another root filesystem than the host's: an unpacked image."""

import io
import shutil
import tarfile
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from domain.errors import SandboxRefused
from tests.adapters.conformance.sandbox import said
from tests.adapters.sandboxes.conftest import AGENT_UID
from tests.fixtures.images import base_root


@pytest.fixture(scope="module")
def unpacked() -> Generator[Path]:
    """As `docker export | tar -x` leaves it, with what marks it as another than the host's."""
    path = Path(tempfile.mkdtemp(prefix="perdure-root-"))
    path.chmod(0o755)
    with tarfile.open(fileobj=io.BytesIO(base_root())) as archive:
        # Python before 3.11.4 knows no filters.
        archive.extraction_filter = getattr(tarfile, "tar_filter", lambda member, _path: member)
        archive.extractall(path)
    for name, text in (("opt/tool/there", "tool\n"), ("srv/there", "srv\n"), ("var/lib/there", "var\n")):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    (path / "usr/bin/marked").write_text("#!/bin/sh\necho of the image\n")
    (path / "usr/bin/marked").chmod(0o755)
    (path / "etc/image-release").write_text("image 1\n")
    (path / "etc/shadow").write_text("root:secret:\n")
    (path / "etc/shadow").chmod(0o600)
    (path / "etc/resolv.conf").unlink(missing_ok=True)
    (path / "etc/resolv.conf").symlink_to("/run/resolv.conf")
    yield path
    shutil.rmtree(path)


async def test_commands_see_the_image_and_not_the_hosts_files(home: Path, unpacked: Path) -> None:
    sandbox = BubblewrapSandbox(home, AGENT_UID, root=unpacked)
    assert await said(sandbox, "marked; cat /etc/image-release /opt/tool/there /srv/there /var/lib/there") == (
        "of the image\nimage 1\ntool\nsrv\nvar\n"
    )
    assert await said(sandbox, "test -e /usr/share/doc && echo doc; test -e /etc/shadow && echo shadow; true") == ""
    assert await said(sandbox, "git --version >/dev/null && python -c 'print(1)' && whoami") == "1\nagent\n"
    places = "/ /usr /etc /opt /opt/tool /srv /var /var/lib"
    assert await said(sandbox, f"for place in {places}; do touch $place/x 2>/dev/null && echo $place; done; true") == ""


async def test_doctor_says_which_root_it_is(home: Path, unpacked: Path) -> None:
    found = {check.name: check for check in await BubblewrapSandbox(home, AGENT_UID, root=unpacked).doctor()}
    assert all(check.ok for check in found.values())
    assert found["root"].found == f"all of {unpacked}"


async def test_a_root_that_nothing_can_start_in_is_refused(home: Path, folder: Path) -> None:
    with pytest.raises(SandboxRefused, match=r"no /bin/sh") as refused:
        await BubblewrapSandbox(home, AGENT_UID, root=folder).prepare()
    assert "PERDURE_SANDBOX_ROOT" in refused.value.next_step
    found = await BubblewrapSandbox(home, AGENT_UID, root=folder / "gone").doctor()
    assert [check.ok for check in found] == [False]
