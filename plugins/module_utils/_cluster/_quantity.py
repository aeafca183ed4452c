# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Amounts as Kubernetes writes them: ``1024Mi`` is ``1Gi``, ``0.5`` is ``500m``."""

from __future__ import annotations

import decimal
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput

try:
    from kubernetes.utils.quantity import parse_quantity
except Exception:
    pass

#: as k8s.io/apimachinery defines it; the client's parser also takes NaN, Infinity and underscores
_FORM = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?", re.ASCII)


def parse(amount: t.Any, what: str = "A quantity") -> decimal.Decimal:
    """The number that a quantity stands for.

    :param what: it is of, for the error.
    :raises InvalidInput: it is none.
    """
    text = str(amount)
    if not _FORM.fullmatch(text):
        raise InvalidInput(f"{what} is {text!r}, which is no quantity of Kubernetes.", "For example: 512Mi, 2Gi, 500m, 1.5.")
    return parse_quantity(text)


def same(one: t.Any, other: t.Any) -> bool:
    """Whether two quantities stand for the same number; what is no quantity is compared as it is."""
    try:
        return parse(one) == parse(other)
    except InvalidInput:
        return one == other


def mebibytes(amount: float) -> str:
    """An amount of memory as a quantity of whole mebibytes, rounded up."""
    return f"{-(-int(amount) // (1 << 20))}Mi"
