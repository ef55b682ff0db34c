# Keeps what Ruby has compiled of each file that it loads, next to this file, and takes that the next
# time. Tests start some hundred Fluentds, and each compiles the same 500 files first: most of its start.
# By RUBYOPT, so it is the same Fluentd, started in the same way.

if defined?(RubyVM::InstructionSequence)
  module CompiledFiles
    # Linux takes no longer names.
    LONGEST_NAME = 200

    def load_iseq(path)
      stat = File.stat(path)
      name = path.tr("/", "%")
      return if name.bytesize > LONGEST_NAME

      kept = "#{__dir__}/#{name}.#{stat.mtime.strftime("%s%N")}.#{stat.size}"
      begin
        RubyVM::InstructionSequence.load_from_binary(File.binread(kept))
      rescue Errno::ENOENT
        compiled = RubyVM::InstructionSequence.compile_file(path)
        draft = "#{kept}.#{Process.pid}"
        File.binwrite(draft, compiled.to_binary)
        File.rename(draft, kept)
        compiled
      end
    rescue SystemCallError, SyntaxError, RuntimeError
      nil # As without this: Ruby compiles it by itself, and says what is wrong.
    end
  end
  RubyVM::InstructionSequence.singleton_class.prepend(CompiledFiles)
end
