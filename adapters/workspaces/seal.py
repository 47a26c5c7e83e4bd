"""A dead attempt as a pack, and the snapshot that it would make."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.workspaces.layout import upper_of
from adapters.workspaces.packs import PackHeader, PackIndex, PackWriter, with_address
from adapters.workspaces.scan import DeltaCaps, Scan
from adapters.workspaces.snapshots import WHOLE_EVERY, Standing
from domain.ports.files import Blobs
from domain.snapshot import DirectoryEntry, FileEntry, SnapshotRef


@dataclass(frozen=True, slots=True)
class Draft:
    """What a scan found."""

    header: PackHeader
    standing: Standing
    pack: bytes | Path | None
    """None: nothing changed. A large pack is a file."""
    body: int
    changed: int

    def at(self, address: str) -> SnapshotRef:
        """The snapshot, once its pack is stored there."""
        return SnapshotRef(id=self.header.snapshot, base=self.header.base, pack=address, number=self.header.number)


def draft_layers(
    attempt: Path, lowest: Mapping[str, Path], standing: Standing, parent: SnapshotRef, caps: DeltaCaps
) -> Draft:
    """`lowest` has the bottom layer of each root. Blocks."""

    def fill(scan: Scan) -> None:
        for root, base in lowest.items():
            scan.add_root(root, upper_of(attempt, root), base)

    return draft(attempt, standing, parent, caps, fill)


def draft(
    directory: Path, standing: Standing, parent: SnapshotRef, caps: DeltaCaps, fill: Callable[[Scan], None]
) -> Draft:
    """`fill` finds what changed; `directory` takes what is too large for memory. Blocks."""
    with PackWriter(directory) as writer:
        scan = Scan(standing, writer, caps)
        fill(scan)
        after = standing.after(scan.delta, scan.before.found)
        number = (parent.number + 1) % WHOLE_EVERY
        header = PackHeader(
            snapshot=after.id(),
            base=standing.base,
            parent=parent,
            number=number,
            delta=scan.delta,
            before=scan.before.found,
            whole=after.manifest if number == 0 else None,
            whole_before=after.before if number == 0 else None,
            dropped=scan.dropped,
        )
        only_folders = all(isinstance(entry, DirectoryEntry) for entry in scan.delta.values())
        if header.snapshot == parent.id and only_folders:
            return Draft(header, standing, pack=None, body=0, changed=0)
        pack, body = writer.finish(header)
    return Draft(
        header.model_copy(update={"contents": writer.contents}),
        after,
        pack=pack,
        body=body,
        changed=max(1, sum(standing.lines.get(path) != after.lines.get(path) for path in scan.delta)),
    )


async def store(made: Draft, pack: bytes | Path, blobs: Blobs) -> tuple[SnapshotRef, PackIndex]:
    """Puts the pack into the blob store, and its address into all that speaks of it."""
    address = await (blobs.put(pack) if isinstance(pack, bytes) else blobs.put_file(pack))
    header = with_address(made.header, address)
    made.standing.manifest.update({path: entry for path, entry in header.delta.items() if isinstance(entry, FileEntry)})
    made.standing.before.update(header.before)
    index = PackIndex(address=address, body=made.body, header=header)
    return made.at(address), index
