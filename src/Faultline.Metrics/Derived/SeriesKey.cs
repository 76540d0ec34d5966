using System.Buffers.Binary;
using System.Text;

namespace Faultline.Metrics.Derived;

/// <summary>The bytes by which a series is found: its project and what its labels say, one after the other, each with its length. One a thread.</summary>
internal sealed class SeriesKey
{
    private byte[] _bytes = new byte[256];
    private (string Name, byte[] Utf8) _project = ("", []);

    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, Length);

    /// <summary>Set it back to leave out what came last.</summary>
    public int Length { get; set; }

    public void Begin(string project)
    {
        if (!string.Equals(_project.Name, project, StringComparison.Ordinal))
        {
            _project = (project, Encoding.UTF8.GetBytes(project));
        }

        Length = 0;
        Append(_project.Utf8);
    }

    public void Append(ReadOnlySpan<byte> part)
    {
        // The length in front keeps "a","bc" and "ab","c" apart.
        Reserve(sizeof(int) + part.Length);
        BinaryPrimitives.WriteInt32LittleEndian(_bytes.AsSpan(Length), part.Length);
        part.CopyTo(_bytes.AsSpan(Length + sizeof(int)));
        Length += sizeof(int) + part.Length;
    }

    public void Append(byte part)
    {
        Reserve(1);
        _bytes[Length++] = part;
    }

    private void Reserve(int bytes)
    {
        if (Length + bytes > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Max(Length + bytes, _bytes.Length * 2));
        }
    }
}
