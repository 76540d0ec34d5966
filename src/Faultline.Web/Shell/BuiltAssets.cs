namespace Faultline.Web.Shell;

/// <summary>Addresses of what the build put under wwwroot/built. They change with every build, so browsers may keep them.</summary>
public static class BuiltAssets
{
    private static readonly string Version = typeof(BuiltAssets).Module.ModuleVersionId.ToString("n")[..10];

    public static string Url(string file) => $"/_content/Faultline.Web/built/{file}?v={Version}";
}
