"""What manage.py and a settings module do in an application: Django over the database that
the variables of libpq say."""

import os
import sys

import django
from django.apps import AppConfig
from django.conf import settings


def database(search_path):
    return {'ENGINE': 'django.db.backends.postgresql', 'NAME': os.environ['PGDATABASE'], 'USER': os.environ['PGUSER'],
            'PASSWORD': os.environ['PGPASSWORD'], 'HOST': os.environ['PGHOST'], 'PORT': os.environ['PGPORT'],
            'OPTIONS': {'options': '-c search_path=' + search_path}}


def configure(applications, schemas=()):
    """Applications of these names, whose models the main program has, and besides the database
    "default" one for each schema, which finds its tables by their names alone.  A model
    is known to others only if it belongs to an application."""
    settings.configure(
        INSTALLED_APPS=[AppConfig(name, sys.modules['__main__']) for name in applications],
        DATABASES={'default': database('public'), **{schema: database(schema) for schema in schemas}},
        DEFAULT_AUTO_FIELD='django.db.models.BigAutoField', USE_TZ=True)
    django.setup()
