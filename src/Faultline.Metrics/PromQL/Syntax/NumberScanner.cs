namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>Finds where a number or a duration ends. Whether it is a valid one is found when it is read: <see cref="GoNumber"/>, <see cref="GoText"/>.</summary>
internal static class NumberScanner
{
    private const string Decimal = "0123456789";
    private const string Hexadecimal = "0123456789abcdefABCDEF";

    /// <summary>Reads over a number. False: what was read is no number, but may be the beginning of a duration.</summary>
    public static bool ScanNumber(RuneCursor cursor)
    {
        var hexadecimal = cursor.Accept("0") && cursor.Accept("xX");
        if (hexadecimal)
        {
            cursor.Accept("_");
        }

        var digits = hexadecimal ? Hexadecimal : Decimal;
        cursor.Accept(".");
        cursor.Accept(digits);
        var dot = false;
        var exponent = false;
        while (cursor.Is(digits + "._eE"))
        {
            if (cursor.Accept("."))
            {
                if (dot)
                {
                    return false;
                }

                dot = true;
                if (cursor.Accept("_.") || hexadecimal)
                {
                    return false;
                }
            }
            else if (cursor.Accept("eE"))
            {
                if (exponent)
                {
                    return false;
                }

                exponent = true;
                cursor.Accept("+-");
                if (cursor.Accept("._eE") || cursor.Peek() == RuneCursor.End)
                {
                    return false;
                }
            }
            else if (cursor.Accept("_"))
            {
                if (cursor.Accept("._eE") || cursor.Peek() == RuneCursor.End)
                {
                    return false;
                }
            }
            else
            {
                AcceptAll(cursor, digits);
            }
        }

        return cursor.Text.Length > 0 && !RuneCursor.IsAlphaNumeric(cursor.Peek());
    }

    /// <summary>Reads over the first unit of a duration and what follows it. False: this is no duration.</summary>
    public static bool ScanRestOfDuration(RuneCursor cursor)
    {
        if (!cursor.Accept("smhdwy"))
        {
            return false;
        }

        cursor.Accept("s");       // ms; a bad unit such as hs is found when the duration is read
        while (cursor.Accept(Decimal))
        {
            AcceptAll(cursor, Decimal);
            if (!cursor.Accept("smhdw"))
            {
                return false;
            }

            cursor.Accept("s");
        }

        // What does not belong to it is shown in the message.
        if (RuneCursor.IsAlphaNumeric(cursor.Read()))
        {
            return false;
        }

        cursor.Back();
        return true;
    }

    private static void AcceptAll(RuneCursor cursor, string digits)
    {
        while (cursor.Accept(digits))
        {
        }
    }
}
