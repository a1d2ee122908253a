prepare() { npm install --silent --no-save --prefix "work/$set" dbmate@2.36.0; }
apply() { "work/$set/node_modules/.bin/dbmate" --url "sqlite:$2" --migrations-dir "$1" --no-dump-schema up; }
