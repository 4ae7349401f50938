"""Keeps TensorFlow's gRPC server on the loopback interface.

TensorFlow always listens on all interfaces: it hands "any address" to gRPC, whatever the cluster's own addresses say,
and has no option for it. So this process's own calls of `bind` are changed: the entry for `bind` in the tables of
imported functions of TensorFlow's libraries (ELF's `.got.plt`) is set to a function which writes the loopback address
in the place of "any". Where that is not possible, `open_addresses` finds out, and the caller refuses to go on.
"""
import ctypes
import os
import socket
import struct
import sys

PT_DYNAMIC = 2
DT_PLTRELSZ, DT_STRTAB, DT_SYMTAB, DT_JMPREL = 2, 5, 6, 23
SYMBOL_BYTES = 24
PROT_READ_WRITE = 3
MAPPED_LOOPBACK = b"\0" * 10 + b"\xff\xff\x7f\0\0\x01"

_kept = []


class _Program(ctypes.Structure):
    _fields_ = [("type", ctypes.c_uint32), ("flags", ctypes.c_uint32)] + [
        (name, ctypes.c_uint64) for name in ("offset", "vaddr", "paddr", "filesz", "memsz", "align")
    ]


class _Module(ctypes.Structure):
    _fields_ = [
        ("base", ctypes.c_uint64),
        ("name", ctypes.c_char_p),
        ("programs", ctypes.POINTER(_Program)),
        ("count", ctypes.c_uint16),
    ]


_VISIT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Module), ctypes.c_size_t, ctypes.c_void_p)
_BIND = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, use_errno=True)


def _dynamic_tables():
    """Base address, and address of the dynamic section, of each library of TensorFlow."""
    found = []

    def visit(module, _size, _data):
        info = module.contents
        if b"tensorflow" in os.path.basename(info.name or b""):
            for i in range(info.count):
                if info.programs[i].type == PT_DYNAMIC:
                    found.append((info.base, info.base + info.programs[i].vaddr))
        return 0

    ctypes.CDLL(None).dl_iterate_phdr(_VISIT(visit), None)
    return found


def _tags(base, address):
    tags = {}
    while True:
        tag, value = struct.unpack("<qQ", ctypes.string_at(address, 16))
        if tag == 0:
            return tags
        if tag in (DT_STRTAB, DT_SYMTAB, DT_JMPREL) and value < base:
            value += base
        tags[tag] = value
        address += 16


def _slots(base, address, name):
    """Where a library keeps the address of an imported function."""
    tags = _tags(base, address)
    if not all(tag in tags for tag in (DT_PLTRELSZ, DT_STRTAB, DT_SYMTAB, DT_JMPREL)):
        return
    for offset, info, _ in struct.iter_unpack("<QQq", ctypes.string_at(tags[DT_JMPREL], tags[DT_PLTRELSZ])):
        symbol = tags[DT_SYMTAB] + (info >> 32) * SYMBOL_BYTES
        (at,) = struct.unpack("<I", ctypes.string_at(symbol, 4))
        if ctypes.string_at(tags[DT_STRTAB] + at, len(name) + 1) == name + b"\0":
            yield base + offset


def _to_loopback(address, length):
    """The bytes of a socket address, with loopback where they say "any"."""
    raw = ctypes.string_at(address, length)
    (family,) = struct.unpack("=H", raw[:2])
    if family == socket.AF_INET and raw[4:8] == b"\0" * 4:
        return raw[:4] + b"\x7f\0\0\x01" + raw[8:]
    if family == socket.AF_INET6 and raw[8:24] == b"\0" * 16:
        return raw[:8] + MAPPED_LOOPBACK + raw[24:]
    return raw


def _replacement():
    bind = ctypes.CDLL(None, use_errno=True).bind
    bind.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]

    def bind_here(fd, address, length):
        return bind(fd, _to_loopback(address, length), length)

    return _BIND(bind_here)


def bind_to_loopback():
    """To be called after TensorFlow is imported. Does nothing where it cannot; `open_addresses` then tells."""
    if not sys.platform.startswith("linux") or struct.calcsize("P") != 8 or sys.byteorder != "little":
        return
    function = _replacement()
    _kept.append(function)
    target = ctypes.cast(function, ctypes.c_void_p).value
    mprotect = ctypes.CDLL(None).mprotect
    mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    page = os.sysconf("SC_PAGE_SIZE")
    for base, address in _dynamic_tables():
        for slot in _slots(base, address, b"bind"):
            mprotect(slot - slot % page, page, PROT_READ_WRITE)
            ctypes.c_uint64.from_address(slot).value = target


def _listening(path, port):
    """Local addresses, in hexadecimal, that listen on a port."""
    try:
        with open(path, encoding="ascii") as lines:
            rows = [line.split() for line in lines][1:]
    except OSError:
        return []
    return [row[1].split(":")[0] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port]


def open_addresses(port):
    """Addresses besides loopback at which this machine answers on a port."""
    if sys.platform.startswith("linux"):
        four = [address for address in _listening("/proc/self/net/tcp", port) if address[-2:] != "7F"]
        six = [
            address
            for address in _listening("/proc/self/net/tcp6", port)
            if address[:24] != "0" * 16 + "FFFF0000" or address[-2:] != "7F"
            if address != "0" * 24 + "01000000"
        ]
        return four + six
    return _reached(port)


def _reached(port):
    """The machine's outward address, if the port answers there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = probe.getsockname()[0]
        except OSError:
            return []
    try:
        socket.create_connection((address, port), timeout=2).close()
        return [address]
    except OSError:
        return []
