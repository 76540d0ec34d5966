using System.Globalization;
using System.Text;
using Faultline.Ledger.Merkle;

namespace Faultline.Ledger.Checkpoints;

/// <summary>A signed statement "the first <paramref name="Size"/> events have this root".</summary>
/// <param name="Origin">Names the ledger: <c>faultline/</c> and the beginning of its key's hash.</param>
/// <param name="Size">Number of events.</param>
/// <param name="Root">Merkle root over them.</param>
/// <param name="Signature">Key id (4 bytes) and ECDSA signature (DER) over <see cref="Text"/>.</param>
/// <remarks>Source: C2SP tlog-checkpoint, in a C2SP signed-note with signature type 0x02 (ECDSA P-256, SHA-256).</remarks>
public sealed record Checkpoint(string Origin, long Size, byte[] Root, byte[] Signature)
{
    /// <summary>The signed text: origin, size, root, each on a line.</summary>
    public string Text => UnsignedText(Origin, Size, Root);

    /// <summary>The whole note: text, blank line, signature line.</summary>
    public string Note => $"{Text}\n— {Origin} {Convert.ToBase64String(Signature)}\n";

    public bool Equals(Checkpoint? other) => other is not null && string.Equals(Note, other.Note, StringComparison.Ordinal);

    public override int GetHashCode() => Note.GetHashCode(StringComparison.Ordinal);

    internal static string UnsignedText(string origin, long size, ReadOnlySpan<byte> root) =>
        string.Create(CultureInfo.InvariantCulture, $"{origin}\n{size}\n{Convert.ToBase64String(root)}\n");

    /// <summary>
    /// Reads one note from the beginning of <paramref name="bytes"/>. Only the exact bytes that writing it again would give
    /// are accepted, so that no byte of a stored checkpoint can change unseen.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out Checkpoint checkpoint, out int bytesRead)
    {
        checkpoint = null!;
        bytesRead = 0;
        var end = -1;
        for (var line = 0; line < 5; line++)
        {
            var next = bytes[(end + 1)..].IndexOf((byte)'\n');
            if (next < 0)
            {
                return false;
            }

            end += next + 1;
        }

        var note = bytes[..(end + 1)];
        var lines = Encoding.UTF8.GetString(note).Split('\n');
        var signatureStart = $"— {lines[0]} ";
        if (lines[0].Length == 0
            || lines[0].Contains(' ', StringComparison.Ordinal)
            || !long.TryParse(lines[1], NumberStyles.None, CultureInfo.InvariantCulture, out var size)
            || !lines[4].StartsWith(signatureStart, StringComparison.Ordinal))
        {
            return false;
        }

        Span<byte> root = stackalloc byte[MerkleHash.Length + 1];
        Span<byte> signature = stackalloc byte[128];
        if (!Convert.TryFromBase64String(lines[2], root, out var rootBytes)
            || rootBytes != MerkleHash.Length
            || !Convert.TryFromBase64String(lines[4][signatureStart.Length..], signature, out var signatureBytes)
            || signatureBytes <= 4)
        {
            return false;
        }

        var read = new Checkpoint(lines[0], size, root[..rootBytes].ToArray(), signature[..signatureBytes].ToArray());
        if (!note.SequenceEqual(Encoding.UTF8.GetBytes(read.Note)))
        {
            return false;
        }

        checkpoint = read;
        bytesRead = note.Length;
        return true;
    }
}
