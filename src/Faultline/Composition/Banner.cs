using System.Text;
using Faultline.Settings;

namespace Faultline.Composition;

/// <summary>What is printed once everything listens: the doors, the key in use, the way in.</summary>
internal static class Banner
{
    public static string Text(Server server)
    {
        var settings = server.Settings;
        var text = new StringBuilder();
        text.AppendLine();
        text.AppendLine($"  Faultline is up ({server.StartTook.TotalSeconds:F1} s), data in {settings.DataDirectory}");
        text.AppendLine();
        text.AppendLine($"  Pages            {server.LoginLink}");
        text.AppendLine($"  OTLP             gRPC {server.Address("listen.otlp_grpc")}   HTTP {server.Address("listen.otlp_http")}");
        text.AppendLine($"  PromQL           {server.Address("listen.prometheus")}   {server.Address("listen.victoriametrics")}");
        text.AppendLine($"  Metrics          derived {server.Address("listen.derived")}   internals {server.Address("listen.internals")}   health {server.Address("listen.health")}");
        text.AppendLine($"  Key              {Key(settings)}");
        text.AppendLine();
        text.AppendLine("  Try: faultline send-span     or: faultline demo");
        return text.ToString();
    }

    /// <summary>The placeholder is known to everybody and shown; a key of the operator's own never is.</summary>
    private static string Key(FaultlineSettings settings) => settings.GatewayMethod switch
    {
        "basic-auth" => $"Basic, {settings.BasicCredentials.Count} credential(s) from the settings",
        _ when settings.ApiKeys.Contains(FaultlineSettings.PlaceholderKey, StringComparer.Ordinal) => $"X-API-Key: {FaultlineSettings.PlaceholderKey} (loopback only; set ENVOY_API_KEYS to your own)",
        _ => $"X-API-Key, {settings.ApiKeys.Count} key(s) from the settings",
    };
}
