[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

return await Faultline.Cli.CommandLine.RunAsync(args);
