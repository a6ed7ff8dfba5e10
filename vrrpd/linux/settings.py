"""Sysctls below /proc/sys/net: what they are, and what they were before us."""

from __future__ import annotations

from pathlib import Path

from vrrpd.model import DeviceSetting, NodeSetting, Undo, Way

ROOT = Path("/proc/sys")


class Settings:
    """Remembers what it found, so that it is put back even after we have set it twice."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, int], int] = {}

    def before(self, setting: DeviceSetting, index: int) -> int:
        """Its value before ours, on the interface that has this index. OSError: there is none, or it cannot be read."""
        return self._remembered(_path(setting), index)

    def undo(self, setting: NodeSetting) -> Undo:
        """What puts the value before ours back. OSError: it cannot be read."""
        return Undo(Way.FILE, f"{setting.name}\0{self._remembered(setting.name, 0)}".encode())

    def forget(self, setting: DeviceSetting | NodeSetting) -> None:
        """The value before ours is in force again, and whoever changes it next is somebody else."""
        name = setting.name
        if isinstance(setting, DeviceSetting):
            name = _path(setting)
        for key in [key for key in self._before if key[0] == name]:
            del self._before[key]

    def reverse_path_filter(self) -> int:
        """That of all interfaces (net.ipv4.conf.all.rp_filter); 0 when it cannot be read."""
        try:
            return _read("net/ipv4/conf/all/rp_filter")
        except OSError:
            return 0

    def _remembered(self, name: str, index: int) -> int:
        key = (name, index)
        if key not in self._before:
            self._before[key] = _read(name)
        return self._before[key]


def _path(setting: DeviceSetting) -> str:
    return f"net/ipv4/conf/{setting.device}/{setting.name}"


def write(name: str, value: int) -> None:
    """OSError: it cannot be written."""
    (ROOT / name).write_text(f"{value}\n", encoding="ascii")


def _read(name: str) -> int:
    try:
        return int((ROOT / name).read_text(encoding="ascii"))
    except ValueError as error:
        raise OSError(0, f"{name} is no number") from error
