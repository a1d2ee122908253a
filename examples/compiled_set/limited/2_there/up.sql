CREATE TABLE there (x);
