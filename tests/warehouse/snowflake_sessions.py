"""Who may begin a session of a Snowflake account, and what ends with one."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import duckdb
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.warehouse.snowflake_sql import Refused, success

_LOGIN = {"database": "databaseName", "warehouse": "warehouse", "role": "roleName"}


@dataclass
class Session:
    cursor: duckdb.DuckDBPyConnection
    database: str | None
    warehouse: str | None
    role: str | None
    master: str
    lock_timeout: float
    open: bool = False  # a transaction
    begun: bool = False  # in DuckDB, whose view of the tables is that of its first statement
    temporary: dict[str, str] = field(default_factory=dict)  # DuckDB's name, by ours
    stages: dict[str, str] = field(default_factory=dict)  # folder, by name
    seen: float = 0.0


class Sessions:
    """Of the user LOADER, with the password hush-4711 or a key, in the database SHOP, with the warehouse LOADING."""

    def __init__(self) -> None:
        self.store = duckdb.connect(":memory:", config={"threads": "1"})
        self.store.execute("SET TimeZone = 'UTC'")
        self.changed = threading.Condition()  # held by whoever answers a request
        self.sessions: dict[str, Session] = {}
        self.renewable: dict[str, Session] = {}  # by master token
        self.files: dict[str, bytes] = {}  # of stages
        self.locks: dict[str, Session] = {}
        self.passwords = {"LOADER": "hush-4711"}
        self.keys: dict[str, rsa.RSAPublicKey] = {}

    def key(self) -> bytes:
        """A new key of LOADER's, as PEM."""
        made = rsa.generate_private_key(65537, 2048)
        self.keys["LOADER"] = made.public_key()
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return made.private_bytes(pem, pkcs8, serialization.NoEncryption())

    def login(self, given: dict[str, Any], query: dict[str, list[str]]) -> dict[str, Any]:
        wanted = {name: (query.get(key) or [""])[0].upper() for name, key in _LOGIN.items()}
        self._admit(given)
        if wanted["role"] not in ("", "LOADER"):
            said = f"Role '{wanted['role']}' specified in the connect string does not exist or not authorized."
            raise Refused("390189", "08004", said)
        settings = given["SESSION_PARAMETERS"]
        for what, there in (("warehouse", {"LOADING"}), ("database", {"SHOP"})):
            if wanted[what] and wanted[what] not in there:
                if settings.get("CLIENT_VALIDATE_DEFAULT_PARAMETERS"):
                    said = f"The requested {what} does not exist or not authorized."
                    raise Refused("390201", "08004", said)
                wanted[what] = ""
        session = Session(
            self.store.cursor(), wanted["database"] or None, wanted["warehouse"] or None,
            wanted["role"] or "LOADER", str(uuid.uuid4()), float(settings.get("LOCK_TIMEOUT", 43_200)),
        )  # fmt: skip
        self.renewable[session.master] = session
        return success(
            {
                "token": self._token(session), "masterToken": session.master, "validityInSeconds": 3600,
                "masterValidityInSeconds": 14_400, "sessionId": len(self.renewable), "serverVersion": "9.36.1",
                "parameters": [{"name": name, "value": value} for name, value in settings.items()],
                "sessionInfo": {
                    "databaseName": session.database, "schemaName": None, "warehouseName": session.warehouse,
                    "roleName": session.role,
                },
            }
        )  # fmt: skip

    def _admit(self, given: dict[str, Any]) -> None:
        name = given["LOGIN_NAME"].upper()
        if given.get("AUTHENTICATOR") == "SNOWFLAKE_JWT":
            if not (name in self.keys and _signed(given["TOKEN"], f"XY12345.{name}", self.keys[name])):
                raise Refused("390144", "08004", f"JWT token is invalid. [{uuid.uuid4()}]")
        elif self.passwords.get(name) != given.get("PASSWORD"):
            raise Refused("390100", "08001", "Incorrect username or password was specified.")

    def _token(self, session: Session) -> str:
        token = str(uuid.uuid4())
        self.sessions[token] = session
        return token

    def session(self, token: str) -> Session:
        if token not in self.sessions:
            raise Refused("390112", "08001", "Your session has expired. Please login again.")
        return self.sessions[token]

    def renew(self, token: str) -> dict[str, Any]:
        if token not in self.renewable:
            raise Refused("390114", "08001", "Authentication token has expired.  The user must authenticate again.")
        session = self.renewable[token]
        return success(
            {"sessionToken": self._token(session), "validityInSecondsST": 3600, "masterToken": session.master,
             "validityInSecondsMT": 14_400, "sessionId": 1}
        )  # fmt: skip

    def expire(self, *, wholly: bool = False) -> None:
        """All sessions have to be renewed, or cannot be."""
        with self.changed:
            if wholly:
                for session in list(self.sessions.values()):
                    self.end(session)
            self.sessions.clear()

    def end(self, session: Session) -> None:
        self.close(session, "ROLLBACK")
        self.renewable.pop(session.master, None)
        self.sessions = {token: one for token, one in self.sessions.items() if one is not session}
        for name in session.temporary.values():
            session.cursor.execute(f"DROP TABLE IF EXISTS {name}")
        for folder in session.stages.values():
            self.files = {name: content for name, content in self.files.items() if not name.startswith(folder)}

    def close(self, session: Session, how: str) -> None:
        """The transaction, if there is one."""
        if session.begun:
            session.cursor.execute(how)
        session.open = session.begun = False
        self.locks = {table: holder for table, holder in self.locks.items() if holder is not session}
        self.changed.notify_all()


def _signed(token: str, subject: str, key: rsa.RSAPublicKey) -> bool:
    """Whether the key pair's other half made the token, for that user, and it still holds."""
    head, _, signature = token.rpartition(".")
    said = json.loads(_decoded(token.split(".")[1]))
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    print_ = base64.b64encode(hashlib.sha256(der).digest()).decode()
    try:
        key.verify(_decoded(signature), head.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return bool(said["sub"] == subject and said["iss"] == f"{subject}.SHA256:{print_}" and said["exp"] > time.time())


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
