using System.Security.Cryptography;
using System.Text;
using Faultline.Ledger.Segments;

namespace Faultline.Ledger.Checkpoints;

/// <summary>The ledger's ECDSA P-256 key: <c>checkpoint.key</c> signs, <c>checkpoint.pub</c> beside it verifies.</summary>
public sealed class CheckpointKey : IDisposable
{
    public const string PrivateName = "checkpoint.key";
    public const string PublicName = "checkpoint.pub";

    private readonly ECDsa _key;

    private CheckpointKey(ECDsa key)
    {
        _key = key;
        var hash = SHA256.HashData(key.ExportSubjectPublicKeyInfo());
        Id = hash[..4];
        Fingerprint = Convert.ToHexStringLower(hash);
        Origin = $"faultline/{Fingerprint[..16]}";
    }

    /// <summary>First four bytes of <see cref="Fingerprint"/>, as signed notes with ECDSA have it.</summary>
    public byte[] Id { get; }

    /// <summary>SHA-256 of the public key's SubjectPublicKeyInfo, in hexadecimal. Write it down elsewhere.</summary>
    public string Fingerprint { get; }

    /// <summary>Name of the ledger in its checkpoints.</summary>
    public string Origin { get; }

    public Checkpoint Sign(long size, byte[] root)
    {
        var text = Encoding.UTF8.GetBytes(Checkpoint.UnsignedText(Origin, size, root));
        var signature = _key.SignData(text, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        return new Checkpoint(Origin, size, root, [.. Id, .. signature]);
    }

    public bool Verifies(Checkpoint checkpoint) =>
        string.Equals(checkpoint.Origin, Origin, StringComparison.Ordinal)
        && checkpoint.Signature.AsSpan(0, 4).SequenceEqual(Id)
        && _key.VerifyData(Encoding.UTF8.GetBytes(checkpoint.Text), checkpoint.Signature.AsSpan(4), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);

    public void Dispose() => _key.Dispose();

    /// <summary>Reads the public key; null with words when it is missing or not exactly as it was written.</summary>
    internal static CheckpointKey? ReadPublic(string directory, out string problem)
    {
        problem = "";
        var path = Path.Combine(directory, PublicName);
        if (!File.Exists(path))
        {
            problem = "the public key is missing, so no checkpoint can be checked. Restore it from a backup.";
            return null;
        }

        var text = Encoding.UTF8.GetString(SegmentFile.ReadShared(path));
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(text);
            // The file must be what we would write, so that no byte of it can change unseen.
            if (string.Equals(PublicPem(key), text, StringComparison.Ordinal))
            {
                return new CheckpointKey(key);
            }
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException or PlatformNotSupportedException)
        {
            // Said below: whatever the parser stumbled over, the file is not as it was written.
        }

        key.Dispose();
        problem = "the public key is not as it was written. Restore it from a backup.";
        return null;
    }

    /// <summary>Reads the private key, or makes one when the ledger is new.</summary>
    /// <exception cref="InvalidDataException">The key is missing though there is a ledger, or damaged.</exception>
    internal static CheckpointKey OpenPrivate(string directory, bool ledgerIsNew)
    {
        var path = Path.Combine(directory, PrivateName);
        var publicPath = Path.Combine(directory, PublicName);
        var key = ECDsa.Create();
        try
        {
            if (File.Exists(path))
            {
                key.ImportFromPem(File.ReadAllText(path));
            }
            else if (ledgerIsNew)
            {
                key.GenerateKey(ECCurve.NamedCurves.nistP256);
                Write(path, key.ExportPkcs8PrivateKeyPem() + "\n", UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }
            else
            {
                throw new InvalidDataException($"{path}: the key that signs checkpoints is missing, but there is a ledger. Restore the key from a backup.");
            }

            if (ledgerIsNew)
            {
                Write(publicPath, PublicPem(key), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            }

            return new CheckpointKey(key);
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            key.Dispose();
            throw new InvalidDataException($"{path}: not a private key in PEM ({exception.Message}). Restore it from a backup.", exception);
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    private static string PublicPem(ECDsa key) => key.ExportSubjectPublicKeyInfoPem() + "\n";

    private static void Write(string path, string text, UnixFileMode mode)
    {
        var temporary = path + ".tmp";
        File.Delete(temporary);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = mode;
        }

        using (var file = new FileStream(temporary, options))
        {
            file.Write(Encoding.UTF8.GetBytes(text));
            file.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
    }
}
