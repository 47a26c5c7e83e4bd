"""The base of a workspace without a repository: one commit without files, the same on every host for ever."""

import hashlib
import struct
import zlib

from adapters.repositories.environment import EMAIL, NAME
from domain.repository import ResolvedRepository

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_WHO = f"{NAME} <{EMAIL}> 946684800 +0000"
EMPTY_BODY = f"author {_WHO}\ncommitter {_WHO}\n\nEmpty workspace\n"
"""All of the commit but its tree."""


def commit_bytes(tree: str, body: str) -> bytes:
    return f"tree {tree}\n{body}".encode()


def object_id(kind: str, content: bytes, form: str = "sha1") -> str:
    return hashlib.new(form, f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


def empty_pack() -> bytes:
    """Deterministic: nothing in it is compressed."""
    commit = commit_bytes(EMPTY_TREE, EMPTY_BODY)
    pack = b"PACK" + struct.pack(">II", 2, 2) + _entry(1, commit) + _entry(2, b"")
    return pack + hashlib.sha1(pack, usedforsecurity=False).digest()


def _entry(kind: int, content: bytes) -> bytes:
    size = len(content)
    first, size = (kind << 4) | (size & 15), size >> 4
    header = bytearray()
    while size:
        header.append(first | 128)
        first, size = size & 127, size >> 7
    header.append(first)
    return bytes(header) + zlib.compress(content, level=0)


EMPTY_COMMIT = object_id("commit", commit_bytes(EMPTY_TREE, EMPTY_BODY))
EMPTY_REPOSITORY = ResolvedRepository(
    url="", ref="main", commit=EMPTY_COMMIT, pack=hashlib.sha256(empty_pack()).hexdigest()
)
