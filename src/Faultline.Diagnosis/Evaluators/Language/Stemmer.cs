namespace Faultline.Diagnosis.Evaluators.Language;

/// <summary>Cuts inflections off, so that "discussed" and "discusses" compare equal. Deliberately light: no derivations.</summary>
/// <remarks>Source: Harman 1991, "How effective is suffixing?" (the S stemmer), with past and continuous forms.</remarks>
internal static class Stemmer
{
    private static readonly Dictionary<string, string> Irregular = Parse("""
        be:is,are,was,were,been,being,am have:has,had,having do:does,did,done go:went,gone,goes say:said make:made get:got,gotten take:took,taken come:came
        see:saw,seen know:knew,known give:gave,given find:found think:thought tell:told become:became leave:left feel:felt bring:brought begin:began,begun
        keep:kept hold:held write:wrote,written stand:stood hear:heard mean:meant meet:met run:ran pay:paid sit:sat speak:spoke,spoken lie:lay lead:led
        grow:grew,grown lose:lost fall:fell,fallen send:sent build:built understand:understood draw:drew,drawn break:broke,broken spend:spent rise:rose,risen
        drive:drove,driven buy:bought wear:wore,worn choose:chose,chosen win:won sell:sold teach:taught catch:caught fight:fought seek:sought steal:stole,stolen
        child:children man:men woman:women person:people life:lives wife:wives foot:feet tooth:teeth mouse:mice good:better,best bad:worse,worst
        """);

    public static string Stem(string lower) => Irregular.TryGetValue(lower, out var regular) ? regular : Cut(lower);

    private static string Cut(string lower)
    {
        var stem = lower;
        if (stem.Length > 4 && stem.EndsWith("ies", StringComparison.Ordinal))
        {
            return stem[..^3] + "y";
        }

        if (stem.Length > 3 && stem[^1] == 's' && stem[^2] is not ('s' or 'u' or 'i'))
        {
            stem = stem.EndsWith("sses", StringComparison.Ordinal) || stem.EndsWith("ches", StringComparison.Ordinal) || stem.EndsWith("shes", StringComparison.Ordinal) || stem.EndsWith("xes", StringComparison.Ordinal)
                ? stem[..^2]
                : stem[..^1];
        }

        if (stem.Length > 5 && stem.EndsWith("ied", StringComparison.Ordinal))
        {
            return stem[..^3] + "y";
        }

        stem = stem.Length > 5 && stem.EndsWith("ing", StringComparison.Ordinal) ? Undouble(stem[..^3])
            : stem.Length > 4 && stem.EndsWith("ed", StringComparison.Ordinal) ? Undouble(stem[..^2])
            : stem;
        return stem.Length > 4 && stem[^1] == 'e' ? stem[..^1] : stem;
    }

    private static string Undouble(string stem) => stem.Length > 3 && stem[^1] == stem[^2] && stem[^1] is not ('l' or 's' or 'z') ? stem[..^1] : stem;

    private static Dictionary<string, string> Parse(string table)
    {
        Dictionary<string, string> forms = new(StringComparer.Ordinal);
        foreach (var entry in table.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
        {
            var colon = entry.IndexOf(':', StringComparison.Ordinal);
            foreach (var form in colon < 0 ? [] : entry[(colon + 1)..].Split(','))
            {
                forms[form] = Cut(entry[..colon]);
            }
        }

        return forms;
    }
}
