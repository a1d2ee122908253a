-- What a user has when all of the migrations but the last have run. The third of them has written `root`, with the id 1.
INSERT INTO users (id, name, email) VALUES (2, 'Ada', 'ada@example.org'), (3, 'Grace', NULL);
INSERT INTO notes (id, user_id, body) VALUES (1, 2, 'first'), (2, 2, 'it''s; second'), (3, 3, 'third');
