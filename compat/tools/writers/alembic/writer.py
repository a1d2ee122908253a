"""writer.py <migrations> <database>: what `alembic upgrade head` does."""

import sys

from alembic import command
from alembic.config import Config

config = Config()
config.set_main_option("script_location", sys.argv[1])
config.set_main_option("sqlalchemy.url", "sqlite:///" + sys.argv[2])
command.upgrade(config, "head")
