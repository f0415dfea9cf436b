/**
 * The shells' halves of completion. Each asks `banger __complete` with the words before the cursor, the last one after a =
 * (an empty word would get lost in PowerShell before 7.3), and gives the answer to its shell: lines of a value, a tab and a
 * few words about it, then what of the host's files the shell itself is to add.
 */

/** Bash takes words apart at = and :, so they are put together again, and what stands before the last of them is left out. */
const bash = `# banger's completion for bash
_banger() {
  local rest=\${COMP_LINE:0:COMP_POINT} word gap lines line value paths=none prefix
  local -a words=()
  for word in "\${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
    gap=\${rest%%"$word"*}
    [[ -n $word ]] || { [[ $rest =~ ^[[:space:]]*$ ]] && gap=$rest; }
    rest=\${rest#"$gap$word"}
    if [[ \${#words[@]} -gt 0 && -z $gap ]]; then words[-1]+=$word; else words+=("$word"); fi
  done
  local program=\${words[0]/#\\~/$HOME} current=\${words[-1]}
  words[-1]="=$current"
  prefix=\${current%"\${current##*[=:]}"}
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :none | :files | :folders) paths=\${line#:} ;;
      *) value=\${line%%$'\\t'*} COMPREPLY+=("\${value#"$prefix"}") ;;
    esac
  done < <("$program" __complete -- "\${words[@]:1}" 2>/dev/null)
  if [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *[:=] ]]; then compopt -o nospace; fi
  [[ $paths != none ]] || return 0
  compopt -o filenames
  if [[ $paths == folders ]]; then
    mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "\${current#"$prefix"}")
  else
    mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "\${current#"$prefix"}")
  fi
}
complete -F _banger banger
`;

const zsh = `#compdef banger
# banger's completion for zsh
_banger() {
  local program=\${~words[1]} line value paths=none
  local -a before=("\${(@Q)words[2,CURRENT-1]}") described open
  for line in "\${(@f)$("$program" __complete -- "\${before[@]}" "=\${(Q)PREFIX}" 2>/dev/null)}"; do
    case $line in
      :none|:files|:folders) paths=\${line#:} ;;
      '') ;;
      *)
        value=\${line%%$'\\t'*}
        if [[ $value == *: ]]; then open+=("$value"); else described+=("\${value//:/\\\\:}:\${line#*$'\\t'}"); fi
        ;;
    esac
  done
  (( \${#described} )) && _describe -t banger 'banger' described
  (( \${#open} )) && compadd -S '' -- "\${open[@]}"
  case $paths in
    files) _files ;;
    folders) _files -/ ;;
  esac
}
if [ "$funcstack[1]" = "_banger" ]; then _banger "$@"; else compdef _banger banger; fi
`;

const fish = `# banger's completion for fish
function __banger_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] "=$current" 2>/dev/null)
        switch $line
            case :none
            case :files
                __fish_complete_path $current
            case :folders
                __fish_complete_directories $current
            case '*'
                echo $line
        end
    end
end
complete -c banger -f -a '(__banger_complete)'
`;

const powershell = `# banger's completion for PowerShell
Register-ArgumentCompleter -Native -CommandName banger -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition -or ($_.Extent.EndOffset -eq $cursorPosition -and -not $wordToComplete) } |
        ForEach-Object { if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { $_.Extent.Text } })
    $program = $words[0]
    $before = @($words | Select-Object -Skip 1)
    foreach ($line in (& $program __complete -- @before "=$wordToComplete" 2>$null)) {
        switch ($line) {
            ':none' { }
            ':files' { [System.Management.Automation.CompletionCompleters]::CompleteFilename($wordToComplete) }
            ':folders' { [System.Management.Automation.CompletionCompleters]::CompleteFilename($wordToComplete) | Where-Object { $_.ResultType -eq 'ProviderContainer' } }
            default {
                $value, $about = $line -split "\`t", 2
                if (-not $about) { $about = $value }
                [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $about)
            }
        }
    }
}
`;

export const SCRIPTS = { bash, zsh, fish, powershell } as const;
export type Shell = keyof typeof SCRIPTS;
