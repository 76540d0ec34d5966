namespace Faultline.Tests.Store;

/// <summary>Only the date is set: waiting is real.</summary>
public sealed class SetClock : TimeProvider
{
    public DateTimeOffset Now { get; set; }

    public override DateTimeOffset GetUtcNow() => Now;
}
