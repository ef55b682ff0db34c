/**
 * The scripts that `completion bash|zsh|fish` prints. They ask the program itself at each TAB
 * (`complete.ts`), so they never go out of date; what differs is how each shell asks and shows.
 *
 * @module
 */
import { COMPLETE } from "./complete.ts";
import { type Command, defineCommand, type Program } from "./command.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** The command `completion` of a program. */
export function completionCommand({ name }: Program): Command {
  return {
    name: "completion",
    summary: "Prints a completion script for a shell",
    commands: SHELLS.map((shell) =>
      defineCommand({
        name: shell,
        summary: `Prints the script for ${shell}`,
        notes: `Install it:\n  ${INSTALL[shell](name)}`,
        run: async ({ io }) => {
          await io.stdout.write(completionScript(name, shell));
          return 0;
        },
      })
    ),
  };
}

/** How a user turns it on. */
const INSTALL: Readonly<Record<Shell, (name: string) => string>> = {
  bash: (name) => `source <(${name} completion bash)      # in ~/.bashrc`,
  zsh: (name) => `source <(${name} completion zsh)       # in ~/.zshrc, after compinit`,
  fish: (name) => `${name} completion fish > ~/.config/fish/completions/${name}.fish`,
};

/** The script for a program of that name. */
export function completionScript(name: string, shell: Shell): string {
  const id = `_${name.replaceAll(/\W/g, "_")}_complete`;
  return TEMPLATES[shell].replaceAll("@ID@", id).replaceAll("@NAME@", name)
    .replaceAll("@COMPLETE@", COMPLETE);
}

const TEMPLATES: Readonly<Record<Shell, string>> = {
  // Bash splits words at ":" and "=" too. So the line is split at blanks here, and what stands before
  // the last such character is taken off the answers again, because bash keeps it on the line.
  bash: String.raw`# bash completion for @NAME@
@ID@() {
  local line="\${COMP_LINE:0:COMP_POINT}" words answer word keep
  read -ra words <<< "$line"
  case "$line" in *[[:space:]]) words+=("") ;; esac
  word="\${words[\${#words[@]}-1]}"
  keep=""
  case "$word" in *[:=]*) keep="\${word%"\${word##*[:=]}"}" ;; esac
  COMPREPLY=()
  while IFS=$'\t' read -r answer _; do
    case "$answer" in
      :file) compopt -o filenames; mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "\${word#"$keep"}") ;;
      :directory) compopt -o filenames; mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "\${word#"$keep"}") ;;
      *=) compopt -o nospace; COMPREPLY+=("\${answer#"$keep"}") ;;
      ?*) COMPREPLY+=("\${answer#"$keep"}") ;;
    esac
  done < <("\${words[0]/#\~/$HOME}" @COMPLETE@ "\${words[@]:1}" 2>/dev/null)
}
complete -F @ID@ @NAME@
`.replaceAll("\\$", "$"),
  zsh: String.raw`#compdef @NAME@
@ID@() {
  local -a described
  local line word
  for line in "\${(@f)$("\${(Q)words[1]/#\~/$HOME}" @COMPLETE@ "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    case "$line" in
      :file) _files ;;
      :directory) _files -/ ;;
      ?*)
        word="\${line%%$'\t'*}"
        if [[ "$line" == *$'\t'* ]]; then
          described+=("\${word//:/\\:}:\${line#*$'\t'}")
        else
          described+=("\${word//:/\\:}")
        fi ;;
    esac
  done
  (( $#described )) && _describe '@NAME@' described
}
compdef @ID@ @NAME@
`.replaceAll("\\$", "$"),
  fish: String.raw`# fish completion for @NAME@
function @ID@
    set -l words (commandline -opc) (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- $words[1])
    for line in ($program @COMPLETE@ $words[2..] 2>/dev/null)
        switch $line
            case :file
                __fish_complete_path (commandline -ct)
            case :directory
                __fish_complete_directories (commandline -ct)
            case '*'
                echo $line
        end
    end
end
complete -c @NAME@ -f -a '(@ID@)'
`,
};
