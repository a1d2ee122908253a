# ruby writer.rb <migrations> <url> [folder]: what `rails db:migrate` does. Into the folder go the statements of each migration.

require "active_record"

migrations, url, folder = ARGV
ActiveRecord::Base.establish_connection(url)

if folder
  running = nil
  announce = Module.new do
    define_method(:announce) do |message|
      running = "#{version}_#{name.underscore}" if message == "migrating"
      running = nil if message.start_with?("migrated")
      super(message)
    end
  end
  ActiveRecord::Migration.prepend(announce)
  ActiveSupport::Notifications.subscribe("sql.active_record") do |*, payload|
    next if running.nil? || payload[:name] == "SCHEMA" || payload[:sql].match?(/\A(begin|commit|SELECT)/i)
    File.write("#{folder}/#{running}.sql", payload[:sql] + ";\n", mode: "a")
  end
end

ActiveRecord::MigrationContext.new(migrations, ActiveRecord::SchemaMigration).migrate
