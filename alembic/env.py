from logging.config import fileConfig

from alembic import context
from models import metadata

from tsext import environment

if context.config.config_file_name:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)
environment.run(context, metadata)
