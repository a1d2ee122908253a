CREATE TABLE ${place} (x DEFAULT '${secret}');
