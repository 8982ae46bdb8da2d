"""Drives `emailproxy`'s client credentials flow: its own configuration, its own token store."""

import configparser
import logging
import os
import tempfile

import emailproxy
from loop import AUTHORITY, FOLDER, loop

ACCOUNT = "payroll@contoso.example"


def make(order):
    path = os.path.join(tempfile.mkdtemp(prefix="emailproxy-", dir=FOLDER), "emailproxy.config")
    base = AUTHORITY or "https://login.microsoftonline.com"
    settings = configparser.ConfigParser(interpolation=None)
    settings[ACCOUNT] = {
        "token_url": f"{base}/{order['tenant']}/oauth2/v2.0/token",
        "oauth2_scope": order["scope"],
        "oauth2_flow": "client_credentials",
        "redirect_uri": "http://localhost",
        "client_id": order["client"],
        **(
            {"client_secret": order["secret"]}
            if order["credential"] == "secret"
            else {"jwt_certificate_path": order["certificate"], "jwt_key_path": order["key"]}
        ),
    }
    with open(path, "w", encoding="ascii") as file:
        settings.write(file)
    emailproxy.CONFIG_FILE_PATH = emailproxy.CACHE_STORE = path
    emailproxy.AppConfig.unload()
    return path


class Shown(logging.Handler):
    """What it logs: there it tells its user why a token was refused."""

    lines: list = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def use(_path, _order):
    Shown.lines.clear()
    good, said = emailproxy.OAuth2Helper.get_oauth2_credentials(ACCOUNT, "any password")
    if not good:
        raise RuntimeError("\n".join([said, *Shown.lines]))
    return said.split("auth=Bearer ")[1].split("\x01")[0]


emailproxy.Log.initialise()
# Its `--debug`: only there it tells why a token was refused.
emailproxy.Log.set_level(logging.DEBUG)
logging.getLogger(emailproxy.APP_SHORT_NAME).addHandler(Shown())
loop(make, use)
