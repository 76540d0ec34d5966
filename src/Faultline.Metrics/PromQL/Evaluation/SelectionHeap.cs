namespace Faultline.Metrics.PromQL.Evaluation;

/// <summary>
/// Keeps the k best of what it is offered, with the worst on top, as upstream's heap does, so that ties fall the same way.
/// NaN is worse than everything.
/// </summary>
internal readonly struct SelectionHeap(List<(int Index, double Value)> heap, int k, bool largest)
{
    public void Offer(int index, double value)
    {
        if (heap.Count < k)
        {
            heap.Add((index, value));
            Up(heap.Count - 1);
        }
        else if (IsWorse(heap[0].Value, value) && !double.IsNaN(value))
        {
            heap[0] = (index, value);
            Down(0);
        }
    }

    public void SortBestFirst()
    {
        // Insertion sort: stable, and k is small where the order of ties can be seen.
        for (var i = 1; i < heap.Count; i++)
        {
            for (var j = i; j > 0 && IsWorse(heap[j - 1].Value, heap[j].Value); j--)
            {
                (heap[j], heap[j - 1]) = (heap[j - 1], heap[j]);
            }
        }
    }

    private bool IsWorse(double x, double y) => double.IsNaN(x) || (largest ? x < y : x > y);

    private void Up(int child)
    {
        while (child > 0 && (child - 1) / 2 is var parent && IsWorse(heap[child].Value, heap[parent].Value))
        {
            (heap[child], heap[parent]) = (heap[parent], heap[child]);
            child = parent;
        }
    }

    private void Down(int parent)
    {
        while ((2 * parent) + 1 is var child && child < heap.Count)
        {
            if (child + 1 < heap.Count && IsWorse(heap[child + 1].Value, heap[child].Value))
            {
                child++;
            }

            if (!IsWorse(heap[child].Value, heap[parent].Value))
            {
                return;
            }

            (heap[child], heap[parent]) = (heap[parent], heap[child]);
            parent = child;
        }
    }
}
