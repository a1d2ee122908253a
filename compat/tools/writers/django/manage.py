"""manage.py <database> <command>...: a project with the application `notes`, and one of Django's own beside it."""

import sys

from django.conf import settings
from django.core.management import execute_from_command_line

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    INSTALLED_APPS=["django.contrib.contenttypes", "notes"],
    USE_TZ=True,
)
execute_from_command_line([sys.argv[0], *sys.argv[2:]])
