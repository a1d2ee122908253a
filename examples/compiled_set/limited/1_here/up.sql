CREATE TABLE here (x);
