using System.CommandLine;
using System.Text.Json;
using Faultline.Ledger.Verification;

namespace Faultline.Cli;

/// <summary><c>faultline audit verify</c>: checks the ledger's files, offline.</summary>
internal static class AuditCommand
{
    public static void AddTo(RootCommand root)
    {
        var data = new Option<string?>("--data") { Description = "Data directory (FAULTLINE_DATA; default ~/.local/share/faultline)." };
        var known = new Option<string?>("--checkpoint") { Description = "File with a checkpoint of this ledger that was kept elsewhere; proves that history was not rolled back since." };
        var json = new Option<bool>("--json") { Description = "One JSON document on standard output." };
        var verify = new Command("verify", "Check every byte of the ledger against its hashes and signed checkpoints.") { data, known, json };
        verify.SetAction(async (parsed, cancel) =>
        {
            var directory = Path.Combine(ClientOptions.DataDirectory(parsed.GetValue(data)), "ledger");
            var checkpoint = parsed.GetValue(known) is { } file ? await File.ReadAllTextAsync(file, cancel) : null;
            var verdict = await LedgerVerifier.VerifyAsync(directory, checkpoint, cancel);
            if (parsed.GetValue(json))
            {
                Console.WriteLine(verdict switch
                {
                    LedgerVerdict.Sound sound => JsonSerializer.Serialize(new { sound = true, events = sound.Count, root = Convert.ToHexStringLower(sound.Root), checkpoints = sound.Checkpoints, key = sound.KeyFingerprint }),
                    LedgerVerdict.Broken broken => JsonSerializer.Serialize(new { sound = false, file = broken.File, first_broken_event = broken.Sequence, what = broken.What.ToString(), words = broken.Words }),
                    _ => JsonSerializer.Serialize(new { sound = false, words = $"There is no ledger in {directory}." }),
                });
            }
            else
            {
                Console.WriteLine(verdict switch
                {
                    LedgerVerdict.Sound sound => $"Sound: {sound.Count} events, {sound.Checkpoints} signed checkpoints, Merkle root {Convert.ToHexStringLower(sound.Root)}.\nChecked with the key whose SHA-256 is {sound.KeyFingerprint}; compare it with the one you noted elsewhere.",
                    LedgerVerdict.Broken broken => $"BROKEN: {broken}",
                    _ => $"There is no ledger in {directory}. Name the data directory with --data.",
                });
            }

            return verdict switch
            {
                LedgerVerdict.Sound => ExitCode.Done,
                LedgerVerdict.Broken => ExitCode.TheAnswerIsNo,
                _ => ExitCode.CouldNotBeDone,
            };
        });
        root.Subcommands.Add(new Command("audit", "The audit trail.") { verify });
    }
}
