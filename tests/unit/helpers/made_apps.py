"""Apps as their makers build them, small but genuine by content: ELF, Go, Electron, Gecko, AppImage, Windows."""

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from squashfs_maker import Maker

SENTINEL = bytes(range(16))


class Read:
    """A file's content as the readers take it, with a count of what they have asked for."""

    def __init__(self, content: bytes) -> None:
        self.content, self.requested = content, 0

    def __call__(self, offset: int, size: int) -> bytes:
        assert size >= 0 and offset >= 0
        self.requested += size
        return self.content[offset : offset + size]


def elf(sections: Mapping[str, bytes] = {}, mark: bytes = b"\0\0\0") -> bytes:
    """A program for x86-64 with these sections, whose table is its end. `mark` stands where AppImages have theirs."""
    names = [".shstrtab", *sections]
    strings, places = b"\0", []
    for name in names:
        places.append(len(strings))
        strings += name.encode() + b"\0"
    bodies = [strings, *sections.values()]
    at, offsets = 64 + 56, []
    for body in bodies:
        offsets.append(at)
        at += len(body)
    table = bytes(64) + b"".join(
        struct.pack("<IIQQQQIIQQ", place, 1, 0, 0x1000 + offset, offset, len(body), 0, 0, 1, 0)
        for place, offset, body in zip(places, offsets, bodies)
    )
    head = b"\x7fELF\x02\x01\x01\x00" + mark + bytes(5)
    head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x1000, 64, at, 0, 64, 56, 1, 64, len(names) + 1, 1)
    segment = struct.pack("<IIQQQQQQ", 1, 6, 0, 0x1000, 0x1000, at, at, 0x1000)
    return head + segment + b"".join(bodies) + table


def counted(text: bytes) -> bytes:
    """A text after its length, as Go writes it (encoding/binary, varint)."""
    length, prefix = len(text), b""
    while length >= 0x80:
        prefix += bytes([length & 0x7F | 0x80])
        length >>= 7
    return prefix + bytes([length]) + text


def build_info(package: str) -> bytes:
    """What Go 1.18 and newer write into a program of that package (debug/buildinfo)."""
    content = f"path\t{package}\nmod\t{package}\tv1.0.0\th1:x=\nbuild\t-compiler=gc\n".encode()
    return b"\xff Go buildinf:\x08\x02" + bytes(16) + counted(b"go1.22.4") + counted(SENTINEL + content + SENTINEL)


def go(package: str) -> bytes:
    return elf({".text": bytes(100), ".go.buildinfo": build_info(package)})


def marked(program: bytes, package: str) -> bytes:
    """Add to a real program (64 bits, little-endian) what Go writes into one of that package. It runs as before."""
    place, count, names = *struct.unpack_from("<Q", program, 40), *struct.unpack_from("<HH", program, 60)
    table = [program[at : at + 64] for at in range(place, place + 64 * count, 64)]
    offset, size = struct.unpack_from("<QQ", table[names], 24)
    strings = program[offset : offset + size] + b".go.buildinfo\0"
    info_at = len(program) + -len(program) % 16
    info = build_info(package)
    strings_at = info_at + len(info)
    table[names] = table[names][:24] + struct.pack("<QQ", strings_at, len(strings)) + table[names][40:]
    table.append(struct.pack("<IIQQQQIIQQ", size, 1, 0, 0, info_at, len(info), 0, 0, 16, 0))
    head = bytearray(program[:64])
    struct.pack_into("<Q", head, 40, strings_at + len(strings))
    struct.pack_into("<H", head, 60, count + 1)
    return bytes(head) + program[64:].ljust(info_at, b"\0")[: info_at - 64] + info + strings + b"".join(table)


def pak() -> bytes:
    return struct.pack("<IBxxxHH", 5, 1, 1, 0) + bytes(100)


def icu() -> bytes:
    return b"\x90\x00\xda\x27\x14\x00\x00\x00\x00\x00\x02\x00CmnD" + bytes(100)


def snapshot() -> bytes:
    return bytes(16) + b"12.4.254.20".ljust(64, b"\0")


def jar() -> bytes:
    return struct.pack("<I", 100) + b"PK\x01\x02" + bytes(100)


def asar(package: Any, unpacked: Mapping[str, int] = {}, tree: Mapping[str, Any] = {}, cut: int = 0) -> bytes:
    """An app.asar with that package.json (cut short), and sizes of files beside it (`unpacked`), or any other tree."""
    content = json.dumps(package).encode()
    beside = {name: {"size": size, "unpacked": True} for name, size in unpacked.items()}
    files = {"package.json": {"size": len(content) - cut, "offset": "0"}, **beside, **tree}
    header = json.dumps({"files": files}).encode()
    padded = header.ljust(-(-len(header) // 4) * 4, b"\0")
    return struct.pack("<IIII", 4, len(padded) + 8, len(padded) + 4, len(header)) + padded + content


def windows() -> bytes:
    return b"MZ".ljust(60, b"\0") + struct.pack("<I", 128) + bytes(64) + b"PE\0\0" + bytes(60)


def entry(program: str, categories: str = "Network;InstantMessaging;", **more: str) -> bytes:
    values = {"Type": "Application", "Name": program, "Exec": f"{program} %U", "Categories": categories, **more}
    return "\n".join(["[Desktop Entry]", *(f"{key}={value}" for key, value in values.items()), ""]).encode()


def squashfs(files: Mapping[str, bytes]) -> bytes:
    """An archive with these files at its root, nothing of it packed."""
    return Maker(files, packed=False).archive()


def image(program: str, desktop: str = "", update: str = "", files: Mapping[str, bytes] = {}, **more: str) -> bytes:
    """An AppImage of type 2 with a program, its desktop entry, and other files at its root."""
    desktop_entry = {f"{desktop or program}.desktop": entry(program, **more)}
    inside = {**desktop_entry, program: elf(), "AppRun": b"#!/bin/sh\n", **files}
    return elf({".upd_info": update.encode() + b"\0"}, b"AI\x02") + squashfs(inside)


def electron(program: str, package: str = "") -> dict[str, bytes]:
    """The files of an unpacked Electron app (electron-builder's linux-unpacked)."""
    files = {
        **dict.fromkeys((program, "libffmpeg.so", "chrome-sandbox", "chrome_crashpad_handler"), elf()),
        **dict.fromkeys(("chrome_100_percent.pak", "resources.pak", "locales/en-US.pak", "locales/de.pak"), pak()),
        "icudtl.dat": icu(),
        "snapshot_blob.bin": snapshot(),
        "LICENSE.electron.txt": b"Copyright (c) Electron contributors\n",
        "LICENSES.chromium.html": b"<!doctype html>\n<title>Licenses</title>",
    }
    if package:
        files["resources/app.asar"] = asar({"name": package}, {"native.bin": 7})
        files["resources/app.asar.unpacked/native.bin"] = b"sevenB!"
    return files


def lay(host: Any, path: str, content: bytes | str = elf(), mode: int = 0o755) -> Path:
    """A file on a made host, with the directories above it."""
    place = Path(host.root + path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content.encode() if isinstance(content, str) else content)
    place.chmod(mode)
    return place


def put(root: Path, files: Mapping[str, bytes], uid: int = -1) -> None:
    """Lay files below a directory, each one a program if it looks like one; all of that owner's where one is named."""
    root.mkdir(parents=True, exist_ok=True)
    made = [root]
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755 if content.startswith((b"\x7fELF", b"#!")) else 0o644)
        made += [path, *(above for above in path.parents if root in above.parents)]
    for path in made if uid >= 0 else ():
        os.chown(path, uid, uid)
