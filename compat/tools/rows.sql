-- What a user has when all of the migrations but the last have run. The third of them has written `root`, with the id 1.
INSERT INTO users (name, email) VALUES ('Ada', 'ada@example.org'), ('Grace', NULL);
INSERT INTO notes (user_id, body) VALUES (2, 'first'), (2, 'it''s; second'), (3, 'third');
