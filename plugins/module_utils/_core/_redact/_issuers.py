# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials that show their issuer: fixed beginnings that vendors chose so that scanners can find them.

The formats are facts of the vendors' documentation; gitleaks and detect-secrets list the same ones. docs/redaction.md says why
those are not called here.
"""

from __future__ import annotations

import typing as t


class Form(t.NamedTuple):
    """What an issuer's credentials look like.

    :param head: what it is found by, in the syntax that RE2 and ``re`` share.
    :param rest: what follows it, in the syntax of ``re``.
    :param before: how many characters of the secret stand before the head, and what they are.
    """

    issuer: str
    head: str
    rest: str
    before: tuple[int, str] = (0, "")


ISSUERS: tuple[Form, ...] = (
    Form("JSON web token", r"eyJ[\w-]{5}", r"[\w-]{0,4096}+\.[\w-]{5,}(?:\.[\w-]*)*"),
    Form("private key in base64", r"LS0tLS1CRUdJTi",
         r"(?:BSU0EgUFJJVkFURS|BQUklWQVRF|BFQyBQUklWQVRF|BPUEVOU1NIIFBSSVZBVE|BFTkNSWVBURUQg|BEU0EgUFJJVkFUR|BQR1AgUFJJVkFUR)[A-Za-z0-9+/=]*"),
    Form("AWS key id", r"\b(?:AKIA|ASIA|ABIA|ACCA)", r"[A-Z0-9]{16}\b"),
    Form("AWS Bedrock", r"\bABSK", r"[A-Za-z0-9+/]{80,}={0,2}"),
    Form("GitHub", r"\bgh[pousr]_", r"[A-Za-z0-9]{20,}"),
    Form("GitHub, fine-grained", r"\bgithub_pat_", r"\w{22,}"),
    Form("GitLab", r"\bgl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat|ffct)-", r"[\w.-]{20,}"),
    Form("GitLab runner", r"\bGR1348941", r"[\w-]{20,}"),
    Form("Slack", r"\bxox[abeoprs]", r"(?:\.xox[bp])?-[\w-]{10,}"),
    Form("Slack app", r"\bxapp-\d-", r"[A-Za-z0-9-]{10,}"),
    Form("Slack webhook", r"hooks\.slack\.com/", r"(?:services|workflows|triggers)/[\w/+-]{20,}"),
    Form("Discord webhook", r"discord(?:app)?\.com/api/webhooks/", r"\d{5,}/[\w-]{20,}"),
    Form("Teams webhook", r"webhook\.office\.com/webhookb2/", r"[\w@./-]{20,}"),
    Form("Telegram bot", r":AA[\w-]{8}", r"[\w-]{24,25}\b", (8, r"\d{8}")),
    Form("Google", r"\bAIza", r"[\w-]{35}"),
    Form("Google OAuth client", r"\bGOCSPX-", r"[\w-]{20,}"),
    Form("Google OAuth", r"\bya29\.", r"[\w.-]{20,}"),
    Form("Stripe", r"\b[srp]k_(?:live|test|prod)_", r"[A-Za-z0-9]{10,}"),
    Form("signed webhooks", r"\bwhsec_", r"[A-Za-z0-9+/=]{20,}"),
    Form("Square", r"\bsq0[a-z]{3}-", r"[\w-]{22,}"),
    Form("Shopify", r"\bshp(?:at|ca|pa|ss)_", r"[a-fA-F0-9]{32}"),
    Form("OpenAI, Anthropic and alike", r"\bsk-", r"(?:proj-|svcacct-|admin-|ant-(?:api\d\d-|admin\d\d-)?|or-v1-|lf-)?(?=[\w-]*\d)[\w-]{20,}"),
    Form("Hugging Face", r"\bhf_", r"[A-Za-z]{30,}"),
    Form("Groq", r"\bgsk_", r"[A-Za-z0-9]{40,}"),
    Form("Replicate", r"\br8_", r"[A-Za-z0-9]{30,}"),
    Form("Perplexity", r"\bpplx-", r"[A-Za-z0-9]{40,}"),
    Form("Vault", r"\bhv[sbr]\.", r"[\w-]{20,}"),
    Form("Terraform Cloud", r"\.atlasv1\.", r"[\w=-]{60,}", (14, r"[A-Za-z0-9]{14}")),
    Form("1Password", r"\bops_eyJ", r"[A-Za-z0-9+/=]{40,}"),
    Form("age", r"\bAGE-SECRET-KEY-1", r"[A-Z0-9]{58}"),
    Form("Doppler", r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.", r"(?:[\w-]+\.)?[A-Za-z0-9]{40,}"),
    Form("Pulumi", r"\bpul-", r"[a-f0-9]{40}"),
    Form("npm", r"\bnpm_", r"[A-Za-z0-9]{36}"),
    Form("PyPI", r"\bpypi-AgE", r"[\w-]{50,}"),
    Form("RubyGems", r"\brubygems_", r"[a-f0-9]{48}"),
    Form("Docker Hub", r"\bdckr_[po]at_", r"[\w-]{20,}"),
    Form("Artifactory", r"\b(?:AKCp|cmVmdGtu)", r"[A-Za-z0-9]{50,}"),
    Form("SendGrid", r"\bSG\.", r"[\w-]{16,}\.[\w-]{16,}"),
    Form("Mailgun", r"\bkey-[a-f0-9]{8}", r"[a-f0-9]{24}\b"),
    Form("Mailchimp", r"-us\d", r"\d?\b", (32, r"[a-f0-9]{32}")),
    Form("Twilio", r"\bSK[a-f0-9]{8}", r"[a-f0-9]{24}\b"),
    Form("Grafana", r"\bgl(?:c|sa)_", r"[A-Za-z0-9+/_]{32,}={0,2}"),
    Form("New Relic", r"\bNR(?:AK|II|JS)-", r"[\w-]{19,}"),
    Form("Sentry", r"\bsntry[su]_", r"[\w+/=.-]{40,}"),
    Form("Dynatrace", r"\bdt0[a-z]\d\d\.", r"[A-Z0-9]{24}\.[A-Z0-9]{60,}"),
    Form("DigitalOcean", r"\bdo[opr]_v1_", r"[a-f0-9]{64}"),
    Form("Heroku", r"\bHRKU-", r"[\w-]{36,}"),
    Form("Fly.io", r"\bfm[12][ar]?_", r"[A-Za-z0-9+/]{80,}={0,3}"),
    Form("Databricks", r"\bdapi", r"[a-f0-9]{32}(?:-\d)?\b"),
    Form("PlanetScale", r"\bpscale_(?:tkn|oauth|pw)_", r"[\w.=-]{30,}"),
    Form("Supabase", r"\bsb(?:p|_secret)_", r"[\w-]{20,}"),
    Form("Atlassian", r"\bATATT3", r"[A-Za-z0-9_=-]{60,}"),
    Form("Linear", r"\blin_(?:api|oauth)_", r"[A-Za-z0-9]{32,}"),
    Form("Notion", r"\bntn_", r"[A-Za-z0-9]{40,}\b"),
    Form("Postman", r"\bPMAK-", r"[a-f0-9]{24}-[a-f0-9]{34}"),
    Form("Figma", r"\bfig[dou]r?_", r"[\w-]{40,}"),
    Form("Airtable", r"\bpat[A-Za-z0-9]{14}\.", r"[a-f0-9]{64}"),
    Form("Tailscale", r"\btskey-", r"(?:[a-z]+-)?[\w-]{20,}"),
    Form("Azure client secret", r"[78]Q~", r"[\w~.-]{31,34}", (3, r"[\w~.]{3}")),
    Form("Elastic Cloud", r"\bessu_", r"[A-Za-z0-9+/=]{40,}"),
    Form("SonarQube", r"\bsq[pua]_", r"[a-f0-9]{40}"),
    Form("CircleCI", r"\bCCI(?:PAT|PRJ)_", r"[A-Za-z0-9]{22}_[a-f0-9]{40}"),
    Form("Buildkite", r"\bbkua_", r"[a-f0-9]{40}"),
    Form("LaunchDarkly", r"\b(?:sdk|api|mob)-[a-f0-9]{8}-", r"[a-f0-9]{4}-4[a-f0-9]{3}-[a-f0-9]{4}-[a-f0-9]{12}"),
    Form("hash of a password", r"\$(?:2[abxy]|[156]|y|argon2id?|apr1)\$", r"[\w./$=,+-]{20,}"),
    Form("hash of a password in LDAP", r"\{S?(?:SHA|MD5|CRYPT|PBKDF2|ARGON2)", r"[\w-]*\}[A-Za-z0-9+/=$.]{12,}"),
    Form("hash of a password in MySQL", r"\*[0-9A-F]{8}", r"[0-9A-F]{32}\b"),
    Form("token of a web socket", r"base64url\.bearer\.authorization\.k8s\.io\.", r"[\w-]{10,}"),
    Form("PostgreSQL verifier", r"SCRAM-SHA-256\$", r"\d+:[A-Za-z0-9+/=$:]{40,}"),
)
