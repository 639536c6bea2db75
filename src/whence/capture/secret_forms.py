"""What secrets look like: the forms that clouds, forges and services give their keys and tokens.

Each form stands with a text that is in all of them: to look for that alone is a hundred times as quick. All
begin with something that says what they are; keys that are nothing but random signs are known by their names.
Source: what the services document of their formats, and the rules that secret scanners publish.
"""

from __future__ import annotations

_WORD = "[A-Za-z0-9_-]"

FORMS: tuple[tuple[str, str], ...] = (
    (
        "-----BEGIN ",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?"
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    ),
    ("PuTTY-User-Key-File", r"PuTTY-User-Key-File[\s\S]*?(?:Private-MAC: *[0-9a-f]+|\Z)"),
    *((mark, rf"\b{mark}[0-9A-Z]{{16}}\b") for mark in ("AKIA", "ASIA", "ABIA", "ACCA")),
    *((f"gh{kind}_", rf"\bgh{kind}_[A-Za-z0-9]{{20,}}") for kind in "pousr"),
    ("github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
    *((mark, rf"\b{mark}[A-Za-z0-9_.-]{{16,}}") for mark in ("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-")),
    ("hf_", r"\bhf_[A-Za-z0-9]{20,}"),
    ("api_org_", r"\bapi_org_[A-Za-z0-9]{20,}"),
    ("sk-", r"(?<![A-Za-z0-9_-])sk-(?=[A-Za-z0-9_-]*[A-Z0-9])[A-Za-z0-9_-]{16,}"),
    ("k_live_", r"\b[rsp]k_live_[A-Za-z0-9]{10,}"),
    ("k_test_", r"\b[rsp]k_test_[A-Za-z0-9]{10,}"),
    ("whsec_", r"\bwhsec_[A-Za-z0-9+/=]{16,}"),
    ("xox", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("xapp-", r"\bxapp-[A-Za-z0-9-]{10,}"),
    ("hooks.slack.com/", r"(?<=hooks\.slack\.com/)(?:services|workflows)/[A-Za-z0-9/_+-]{16,}"),
    ("/api/webhooks/", r"(?<=/api/webhooks/)[0-9]{8,}/[A-Za-z0-9_-]{30,}"),
    ("AIza", r"\bAIza[A-Za-z0-9_-]{35}"),
    ("GOCSPX-", rf"\bGOCSPX-{_WORD}{{20,}}"),
    ("ya29.", r"\bya29\.[A-Za-z0-9_-]{20,}"),
    ("1//0", rf"(?<![A-Za-z0-9_/-])1//0{_WORD}{{20,}}"),
    ("npm_", r"\bnpm_[A-Za-z0-9]{30,}"),
    ("pypi-", r"\bpypi-[A-Za-z0-9_-]{30,}"),
    ("wandb_v1_", r"\bwandb_v1_[A-Za-z0-9_]{20,}"),
    ("dapi", r"\bdapi[0-9a-f]{32}(?:-[0-9])?\b"),
    ("dose", r"\bdose[0-9a-f]{32}\b"),
    ("SG.", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("SK", r"\bSK[0-9a-f]{32}\b"),
    ("8Q~", r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{31,34}"),
    ("7Q~", r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}7Q~[A-Za-z0-9_~.-]{31,34}"),
    ("key-", r"\bkey-[0-9a-f]{32}\b"),
    ("_v1_", r"\bdo[opr]_v1_[0-9a-f]{64}\b"),
    ("shp", r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b"),
    ("sq0", r"\bsq0(?:atp|csp)-[A-Za-z0-9_-]{20,}"),
    *((mark, rf"\b{mark}[A-Za-z0-9_.-]{{20,}}") for mark in ("hvs.", "hvb.", "hvr.", "dp.pt.")),
    *((mark, rf"\b{mark}[A-Za-z0-9]{{24,}}") for mark in ("r8_", "gsk_", "lin_api_", "fw_", "KGAT_")),
    *((mark, rf"\b{mark}[A-Za-z0-9_-]{{24,}}") for mark in ("pplx-", "nvapi-", "xai-", "glsa_", "sntrys_")),
    ("lsv2_", r"\blsv2_(?:pt|sk)_[A-Za-z0-9_]{20,}"),
    ("AGE-SECRET-KEY-1", r"\bAGE-SECRET-KEY-1[A-Z0-9]{40,}"),
    (":AA", r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{32,}"),
    ("eyJ", r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
)
