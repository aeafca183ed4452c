# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of every module: how to reach the cluster."""

from __future__ import annotations


class ModuleDocFragment:
    """Connection options; each is taken from a host variable when the task does not set it."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of the kubeconfig, or several separated as in E(KUBECONFIG). It is read as kubectl does, impersonation included.
      - Taken from the host variable C(runbooks_kubeconfig) when not set; without either, E(KUBECONFIG), the
        default file, or the service account inside a cluster.
    type: path
  context:
    description: Context of the kubeconfig, or the host variable C(runbooks_context).
    type: str
  host:
    description:
      - URL of the API server, or the host variable C(runbooks_host). With it no kubeconfig is read.
    type: str
  api_token:
    description: Bearer token that goes with O(host), or the host variable C(runbooks_token); refused without a host.
    type: str
  ca_cert:
    description: Path of the CA bundle that goes with O(host), or the host variable C(runbooks_ca_cert).
    type: path
  validate_certs:
    description: Verify the API server's certificate, or the host variable C(runbooks_validate_certs).
    type: bool
    default: true
  strict_certificates:
    description:
      - Verify the certificate as strictly as RFC 5280 asks, which Python does from 3.13 on, or the host variable
        C(runbooks_strict_certificates). V(false) relaxes only that, for clusters whose certificates lack key identifiers.
    type: bool
    default: true
  proxy:
    description: URL of an HTTP or SOCKS proxy, or the host variable C(runbooks_proxy).
    type: str
  request_timeout:
    description: Seconds for one request, or the host variable C(runbooks_request_timeout).
    type: float
    default: 15.0
  retries:
    description:
      - How often a request is repeated after a connection error, 429 or 5xx, or the host variable
        C(runbooks_retries). Writes are repeated only when the server did not act on them.
    type: int
    default: 2
  cluster_name:
    description: What messages call the cluster; the inventory hostname when not set.
    type: str
    default: cluster
requirements:
  - python >= 3.11
  - kubernetes >= 31
  - jsonpatch
"""
