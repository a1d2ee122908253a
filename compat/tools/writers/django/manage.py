"""manage.py <url> <command>...: a project with the application `notes`, and one of Django's own beside it."""

import sys
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import execute_from_command_line

url = urlsplit(sys.argv[1])
if url.scheme == "sqlite":
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": url.path}
else:
    database = {
        "ENGINE": "django.db.backends." + {"postgres": "postgresql", "mysql": "mysql"}[url.scheme],
        "NAME": url.path[1:],
        "USER": url.username,
        "HOST": url.hostname,
        "PORT": url.port,
    }
settings.configure(
    DATABASES={"default": database},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["django.contrib.contenttypes", "notes"],
    USE_TZ=True,
)
execute_from_command_line([sys.argv[0], *sys.argv[2:]])
