using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Faultline.Diagnosis.Evaluators.Encoder;

/// <summary>A weight matrix in panels of 16 columns, so that a product streams through it once for every four rows.</summary>
/// <remarks>
/// Each output is summed over the inner dimension in order with fused multiply-add, whatever the width of the machine's registers, so the
/// same text has the same vector on every machine. System.Numerics.Tensors has no matrix product.
/// </remarks>
internal sealed class PackedMatrix
{
    public const int RowBlock = 4;
    private const int PanelColumns = 16;

    private readonly float[] _panels;

    /// <param name="values">Row-major, <paramref name="inner"/> × <paramref name="columns"/>.</param>
    /// <param name="columns">A multiple of 16.</param>
    public PackedMatrix(ReadOnlySpan<float> values, int inner, int columns)
    {
        if (values.Length != inner * columns || columns % PanelColumns != 0)
        {
            throw new InvalidDataException($"A weight matrix of {values.Length} numbers is not {inner} × {columns} in panels of {PanelColumns}.");
        }

        Inner = inner;
        Columns = columns;
        _panels = new float[values.Length];
        for (int panel = 0, to = 0; panel < columns; panel += PanelColumns)
        {
            for (var row = 0; row < inner; row++, to += PanelColumns)
            {
                values.Slice((row * columns) + panel, PanelColumns).CopyTo(_panels.AsSpan(to));
            }
        }
    }

    public int Inner { get; }

    public int Columns { get; }

    /// <summary>output = input × this + bias.</summary>
    /// <param name="input">Row-major; rows padded to a multiple of <see cref="RowBlock"/>.</param>
    /// <param name="output">As many padded rows; overwritten.</param>
    public void Multiply(ReadOnlySpan<float> input, int paddedRows, ReadOnlySpan<float> bias, Span<float> output)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(paddedRows % RowBlock, 0);
        ArgumentOutOfRangeException.ThrowIfLessThan(input.Length, paddedRows * Inner);
        ArgumentOutOfRangeException.ThrowIfLessThan(output.Length, paddedRows * Columns);
        ArgumentOutOfRangeException.ThrowIfNotEqual(bias.Length, Columns);
        for (var column = 0; column < Columns; column += PanelColumns)
        {
            ref var panel = ref _panels[column * Inner];
            var left = Vector256.LoadUnsafe(in bias[column]);
            var right = Vector256.LoadUnsafe(in bias[column + 8]);
            for (var row = 0; row < paddedRows; row += RowBlock)
            {
                MultiplyBlock(in input[row * Inner], in panel, left, right, ref output[(row * Columns) + column]);
            }
        }
    }

    private void MultiplyBlock(ref readonly float input, ref readonly float panel, Vector256<float> left, Vector256<float> right, ref float output)
    {
        Vector256<float> l0 = left, l1 = left, l2 = left, l3 = left, r0 = right, r1 = right, r2 = right, r3 = right;
        var inner = Inner;
        for (var k = 0; k < inner; k++)
        {
            var weightLeft = Vector256.LoadUnsafe(in panel, (nuint)(k * PanelColumns));
            var weightRight = Vector256.LoadUnsafe(in panel, (nuint)((k * PanelColumns) + 8));
            var a = Vector256.Create(Unsafe.Add(ref Unsafe.AsRef(in input), k));
            l0 = Vector256.FusedMultiplyAdd(a, weightLeft, l0);
            r0 = Vector256.FusedMultiplyAdd(a, weightRight, r0);
            a = Vector256.Create(Unsafe.Add(ref Unsafe.AsRef(in input), inner + k));
            l1 = Vector256.FusedMultiplyAdd(a, weightLeft, l1);
            r1 = Vector256.FusedMultiplyAdd(a, weightRight, r1);
            a = Vector256.Create(Unsafe.Add(ref Unsafe.AsRef(in input), (2 * inner) + k));
            l2 = Vector256.FusedMultiplyAdd(a, weightLeft, l2);
            r2 = Vector256.FusedMultiplyAdd(a, weightRight, r2);
            a = Vector256.Create(Unsafe.Add(ref Unsafe.AsRef(in input), (3 * inner) + k));
            l3 = Vector256.FusedMultiplyAdd(a, weightLeft, l3);
            r3 = Vector256.FusedMultiplyAdd(a, weightRight, r3);
        }

        Store(l0, r0, ref output);
        Store(l1, r1, ref Unsafe.Add(ref output, Columns));
        Store(l2, r2, ref Unsafe.Add(ref output, 2 * Columns));
        Store(l3, r3, ref Unsafe.Add(ref output, 3 * Columns));
    }

    private static void Store(Vector256<float> left, Vector256<float> right, ref float output)
    {
        left.StoreUnsafe(ref output);
        right.StoreUnsafe(ref output, 8);
    }
}
