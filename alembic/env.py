from logging.config import fileConfig
from pathlib import Path

from alembic import context
from models import metadata

from tsext import environment

if Path(context.config.config_file_name or "").is_file():
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)
environment.run(context, metadata)
