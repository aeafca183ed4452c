# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From where everything is kept: the roots that a dump names, and the classes that are never unloaded."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _records
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._layout import Classes

KINDS = {1: "JNI global", 2: "JNI local", 3: "local variable", 4: "native stack", 5: "system class", 6: "thread block", 7: "monitor",
         8: "thread", 0x89: "interned string", 0x8A: "finalizing", 0x8B: "debugger", 0x8C: "reference cleanup", 0x8D: "VM internal",
         0x8E: "JNI monitor", 0x90: "unreachable", 0xFF: "unknown root"}
_OF_A_STACK = (_records.JNI_LOCAL, _records.JAVA_FRAME, _records.NATIVE_STACK, _records.THREAD_BLOCK)
#: loaders that live as long as the JVM: their classes are named as roots, which says more than "the application's loader"
_PERMANENT = {"jdk.internal.loader.ClassLoaders$AppClassLoader", "jdk.internal.loader.ClassLoaders$PlatformClassLoader",
              "jdk.internal.loader.ClassLoaders$BootClassLoader", "sun.misc.Launcher$AppClassLoader", "sun.misc.Launcher$ExtClassLoader"}


@dataclasses.dataclass
class Local:
    """What a frame of a thread's stack refers to; frame -1 is not known."""

    object: int
    frame: int
    kind: str


@dataclasses.dataclass
class Roots:
    """The roots by object number.

    :param kind_of: in words; a class that is a root only because its loader stays is ``class``.
    :param locals_of: thread object -> what its stack refers to: the thread keeps it, as Eclipse MAT has it.
    :param threads: thread object -> (serial number of the thread, of its stack trace).
    :param classes: identifiers of classes that are roots.
    """

    kind_of: dict[int, str]
    locals_of: dict[int, list[Local]]
    threads: dict[int, tuple[int, int]]
    classes: set[int]

    @property
    def objects(self) -> t.Any:
        """Their numbers, ascending."""
        return np.array(sorted(self.kind_of), np.int32)


def permanent_classes(classes: Classes, class_of_object: t.Callable[[int], int]) -> set[int]:
    """Identifiers of classes whose loader lives as long as the JVM.

    :param class_of_object: identifier of an object -> identifier of its class, 0 where there is none.
    """
    permanent = {int(classes.ids[row]) for name in _PERMANENT for row in classes.called(name)}
    dumps = classes.scan.counts.class_dumps
    loaders = {dump.loader: dump.loader == 0 or class_of_object(dump.loader) in permanent for dump in dumps.values()}
    return {class_id for class_id, dump in dumps.items() if loaders[dump.loader]}


def gather(classes: Classes, number: t.Callable[[int], int], permanent: set[int]) -> Roots:
    """Sort the dump's roots: those of stacks go to their threads, where these are in the dump."""
    roots = classes.scan.counts.roots
    found = Roots({}, {}, {}, set(permanent))
    rows = [(tag, key, number(key), serial, frame) for tag, key, serial, frame in roots.tolist()]
    thread_of = {serial: o for tag, _key, o, serial, _frame in rows if tag == _records.THREAD and o >= 0}
    for tag, key, o, serial, frame in rows:
        if o < 0 or tag == 0x90:
            continue
        if key in classes.rows:
            found.classes.add(key)
        if tag == _records.THREAD:
            found.threads[o] = (serial, frame)
        if tag in _OF_A_STACK and serial in thread_of:
            known = frame if tag in (_records.JAVA_FRAME, _records.JNI_LOCAL) else -1
            found.locals_of.setdefault(thread_of[serial], []).append(Local(o, known, KINDS[tag]))
        else:
            found.kind_of.setdefault(o, KINDS.get(tag, "root"))
    for key in permanent:
        o = number(key)
        if o >= 0:
            found.kind_of.setdefault(o, "class")
    return found
